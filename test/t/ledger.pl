# ledger.pl - twenty thousand postings.
#
# Random postings between nested accounts, with subcontos and three currencies, are
# written, corrected and taken back with dates of two years.  Then the trial balance at
# 500 random dates, balances and statements have to be what plain SQL makes of movements.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('ledger');

random_postings();
trial_balances();
balances_and_statements();
is($node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE status = 'OK'), count(*) FROM accum.register_verify('gl')}),
	'4|4', 'what is derived from postings is right');
is($node->safe_psql('postgres', q{SELECT accum.register_ledger_verify('gl')}), 't',
	'debits are credits');

$node->stop;
done_testing();

sub random_postings
{
	$node->safe_psql('postgres', q{
		SELECT accum.register_create('gl', '{"currency": "text"}', '{"amount": "numeric(18,2)"}',
			kind => 'ledger', time_zone => 'Europe/Berlin');

		CREATE FUNCTION account() RETURNS text LANGUAGE sql VOLATILE AS
			$$ SELECT (ARRAY['10', '50', '51.01', '51.02', '60.01', '60.02', '60.02.1', '62.01', '62.02', '601', '90', '91.1'])[1 + floor(random() * 12)::int] $$;
		CREATE FUNCTION posting(document int) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
			SELECT jsonb_build_object('recorder', 'd' || document,
				'period', timestamp '2024-01-01' + random() * interval '730 days',
				'account_dr', account(), 'account_cr', account(),
				'subconto_dr', jsonb_build_object('customer', floor(random() * 20)::int),
				'subconto_cr', CASE WHEN random() < 0.5 THEN '{}' ELSE jsonb_build_object('contract', 'c' || floor(random() * 5), 'customer', floor(random() * 20)::int) END,
				'currency', (ARRAY['EUR', 'USD', 'CHF'])[1 + floor(random() * 3)::int],
				'amount', floor(random() * 100000)::int / 100.0 - 50) $$;
		CREATE TABLE random_dates AS
			SELECT n, date '2023-12-25' + least(a, b) AS first, date '2023-12-25' + greatest(a, b) AS last
			FROM (SELECT n, floor(random() * 750)::int AS a, floor(random() * 750)::int AS b
				  FROM (SELECT setseed(0.3)) AS s, generate_series(1, 500) AS n) AS r;});
	$node->safe_psql('postgres', q{
		SELECT setseed(0.7);
		DO $$
		BEGIN
			FOR batch IN 0..199 LOOP
				PERFORM accum.register_post('gl', (SELECT jsonb_agg(posting(batch * 20 + i % 20)) FROM generate_series(1, 100) AS i));
			END LOOP;
			-- Corrections of what may lie long ago.
			FOR i IN 1..300 LOOP
				PERFORM accum.register_repost('gl', 'd' || i * 13, (SELECT jsonb_agg(posting(i * 13)) FROM generate_series(1, 4)));
				PERFORM accum.register_unpost('gl', 'd' || i * 13 + 5);
			END LOOP;
		END $$;});
	# The oracle: both sides of each posting, on the days of Berlin.
	$node->safe_psql('postgres', q{
		CREATE TABLE entries AS
		SELECT side, id, recorded_at, period, (period AT TIME ZONE 'Europe/Berlin')::date AS day, account, subconto, currency, dr, cr
		FROM (SELECT 0 AS side, *, account_dr AS account, subconto_dr AS subconto, amount AS dr, 0::numeric AS cr FROM accum.gl_movements
			  UNION ALL SELECT 1, *, account_cr, subconto_cr, 0, amount FROM accum.gl_movements) AS sides;
		ANALYZE;});
	cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM accum.gl_movements'), '>', 15000,
		'there are many postings');
	return;
}

# Opening, turnover and closing at 500 random ranges of days of Berlin.
sub trial_balances
{
	is( $node->safe_psql('postgres', q{
		SELECT count(*), count(*) FILTER (WHERE actual IS DISTINCT FROM expected), sum(jsonb_array_length(actual)) > 10000
		FROM random_dates,
			LATERAL (SELECT jsonb_agg(jsonb_build_array(account, currency, amount_opening_dr, amount_opening_cr, amount_turnover_dr, amount_turnover_cr, amount_closing_dr, amount_closing_cr) ORDER BY account, currency) AS actual
				FROM accum.gl_trial_balance(first, last)) AS a,
			LATERAL (SELECT jsonb_agg(jsonb_build_array(account, currency, odr, ocr, tdr, tcr, cdr, ccr) ORDER BY account COLLATE "C", currency) AS expected
				FROM (SELECT account, currency, sum(greatest(o, 0)) AS odr, sum(greatest(-o, 0)) AS ocr, sum(dr) AS tdr, sum(cr) AS tcr,
						sum(greatest(o + dr - cr, 0)) AS cdr, sum(greatest(cr - dr - o, 0)) AS ccr
					  FROM (SELECT account, subconto, currency,
							coalesce(sum(dr - cr) FILTER (WHERE day < first), 0) AS o,
							coalesce(sum(dr) FILTER (WHERE day >= first), 0) AS dr,
							coalesce(sum(cr) FILTER (WHERE day >= first), 0) AS cr
							FROM entries WHERE day <= last GROUP BY 1, 2, 3) AS cells
					  GROUP BY account, currency HAVING bool_or(o <> 0 OR dr <> 0 OR cr <> 0)) AS accounts) AS e}),
		'500|0|t', 'trial balances at 500 random dates');
	return;
}

sub balances_and_statements
{
	is( $node->safe_psql('postgres', q{
		SELECT count(*), count(*) FILTER (WHERE (accum.gl_balance(top, subconto, dimensions, last) ->> 'amount_balance')::numeric
			IS DISTINCT FROM (SELECT coalesce(sum(dr - cr), 0) FROM entries e
				WHERE (account = top OR account LIKE top || '.%') AND e.subconto @> d.subconto AND currency = d.dimensions ->> 'currency'
					AND day <= last))
		FROM (SELECT last, (ARRAY['60', '60.02', '62', '51', '6', '601'])[1 + n % 6] AS top,
				CASE n % 3 WHEN 0 THEN '{}' ELSE jsonb_build_object('customer', n % 20) END AS subconto,
				jsonb_build_object('currency', (ARRAY['EUR', 'USD', 'CHF'])[1 + n % 3]) AS dimensions
			  FROM random_dates) AS d}),
		'500|0', 'balances of accounts at 500 random dates');
	is( $node->safe_psql('postgres', q{
		SELECT count(*), sum(differences), sum(c.n) > 10000 FROM (SELECT * FROM random_dates WHERE n <= 60) AS r,
			LATERAL (SELECT count(*) AS n FROM accum.gl_account_statement('60', first, last)) AS c,
			LATERAL (WITH actual AS (SELECT id, account, currency, amount_dr, amount_cr, amount_balance FROM accum.gl_account_statement('60', first, last)),
				expected AS (SELECT id, account, currency, dr, cr, balance FROM (
					SELECT *, sum(dr - cr) OVER (PARTITION BY currency ORDER BY period, recorded_at, id, side) AS balance
					FROM entries WHERE account = '60' OR account LIKE '60.%') AS s
					WHERE day BETWEEN first AND last)
				SELECT (SELECT count(*) FROM (TABLE actual EXCEPT ALL TABLE expected) AS x) + (SELECT count(*) FROM (TABLE expected EXCEPT ALL TABLE actual) AS y) AS differences) AS d}),
		'60|0|t', 'statements of an account between random dates');
	return;
}
