# retail.pl - a year of invoices of a real shop.
#
# examples/retail.sql loads them with one INSERT … SELECT; a second register takes
# them invoice by invoice through register_post.  Both have to agree with each
# other, with their movements, and with GROUP BY over the lines as they came, for
# every cell, day, month and year; and again after the same invoices have been
# cancelled and changed in both, each in its way.
#
# ACCUM_DATA names the directory with the data; without it the test is skipped.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $path = ($ENV{ACCUM_DATA} // '../shared/data') . '/online-retail.csv.gz';

plan skip_all => "the data set is not there: $path" unless -r $path;

my $node = new_server('retail', bare => 1);

load_example();
load_by_invoice();
everything_agrees('loaded');
ledger_agrees();
cancel_invoices();
everything_agrees('without cancelled invoices');
double_invoices();
everything_agrees('with 1,000 invoices doubled');
statement_agrees($_) foreach ('sales', 'invoices');
register_is_right($node, 'postgres', $_, 'at the end') foreach ('sales', 'invoices');

$node->stop;
done_testing();

sub load_example
{
	my $output;

	ok( IPC::Run::run(
			[
				'psql', '--no-psqlrc', '--set=ON_ERROR_STOP=1', "--set=path=$path",
				'--dbname=' . $node->connstr('postgres'), '--file=examples/retail.sql'
			],
			'>', \$output, '2>&1'),
		'examples/retail.sql runs') or diag($output);
	like($output, qr/\b541909 \|\s+25900 \|/, 'all lines have been read');
	note("$1 $2") while $output =~ /^(.*:)\n(Time: .*)$/mg;
	return;
}

sub load_by_invoice
{
	$node->safe_psql('postgres', q{
		SELECT accum.register_create('invoices',
			'[{"name": "stock_code", "type": "text"}, {"name": "country", "type": "text"},
			  {"name": "customer", "type": "integer"}]',
			'[{"name": "quantity", "type": "bigint"}, {"name": "amount", "type": "numeric(18,2)"}]',
			time_zone => 'Europe/London');

		CREATE VIEW documents AS
		SELECT invoice, min(invoice_date) AS first, jsonb_agg(jsonb_build_object(
			'recorder', invoice, 'period', to_char(invoice_date, 'YYYY-MM-DD HH24:MI:SS'),
			'stock_code', stock_code, 'country', country, 'customer', customer::integer,
			'quantity', quantity, 'amount', amount)) AS lines
		FROM retail
		GROUP BY invoice;
		CREATE TABLE documents_to_post AS TABLE documents;});

	# One call and one transaction for each, in a session far away from London.
	timed($node, 'postgres', '25,900 calls of register_post:', q{
		SET TimeZone = 'Asia/Tokyo';
		DO $$
		DECLARE document record;
		BEGIN
			FOR document IN SELECT * FROM documents_to_post ORDER BY first, invoice LOOP
				PERFORM accum.register_post('invoices', document.lines);
				COMMIT;
			END LOOP;
		END $$;});
	is( $node->safe_psql('postgres',
			'SELECT count(*), count(DISTINCT recorder) FROM accum.invoices_movements'),
		'541909|25900', 'every line of every invoice is stored');
	return;
}

# Both registers against the lines, by the shop's own dates.
sub everything_agrees
{
	my ($when) = @_;
	my %levels = (
		balance_cache => ['NULL::date', 'NULL::date'],
		totals_day => ['invoice_date::date', 'period'],
		totals_month => ["date_trunc('month', invoice_date)::date", 'period'],
		totals_year => ["date_trunc('year', invoice_date)::date", 'period']);

	foreach my $level (sort keys %levels)
	{
		my ($unit, $period) = @{ $levels{$level} };
		my ($lines_receipt, $kept_receipt) = ('', '');

		foreach my $resource ($level eq 'balance_cache' ? () : ('quantity', 'amount'))
		{
			$lines_receipt .= ", coalesce(sum($resource) FILTER (WHERE $resource > 0), 0) AS ${resource}_receipt";
			$kept_receipt .= ", ${resource}_receipt";
		}
		is( $node->safe_psql('postgres', qq{
			CREATE TEMPORARY TABLE lines AS
			SELECT $unit AS unit, stock_code, country, customer::integer,
				count(*), sum(quantity) AS quantity, sum(amount) AS amount$lines_receipt
			FROM retail
			GROUP BY 1, 2, 3, 4;}
			  . join '', map { qq{
			WITH kept AS (
				SELECT $period, stock_code, country, customer,
					movements_count, quantity, amount$kept_receipt
				FROM accum.${_}_$level
				WHERE movements_count <> 0
			)
			SELECT (SELECT count(*) > 0 FROM kept), count(*) FROM (
				(TABLE lines EXCEPT ALL TABLE kept) UNION ALL
				(TABLE kept EXCEPT ALL TABLE lines)) AS differences;}
			  } 'sales', 'invoices'),
			"t|0\nt|0", "$when: $level of both registers is the sum of the lines");
	}

	my $columns = 'recorder, period, stock_code, country, customer, quantity, amount';
	is( $node->safe_psql('postgres', qq{
		SELECT count(*) FROM
			((SELECT $columns FROM accum.sales_movements
			  EXCEPT ALL SELECT $columns FROM accum.invoices_movements)
			 UNION ALL
			 (SELECT $columns FROM accum.invoices_movements
			  EXCEPT ALL SELECT $columns FROM accum.sales_movements)) AS differences}),
		'0', "$when: both registers have the same movements");
	return;
}

# The invoices as a ledger, of receivables of customers against revenue of countries;
# what was taken back is a negative posting on the same side.
sub ledger_agrees
{
	is( $node->safe_psql('postgres', q{
		SELECT accum.register_create('books', '{}', '{"amount": "numeric(18,2)"}', kind => 'ledger',
			time_zone => 'Europe/London');
		INSERT INTO accum.books_movements (recorder, period, account_dr, subconto_dr, account_cr, subconto_cr, amount)
		SELECT invoice, min(invoice_date) AT TIME ZONE 'Europe/London',
			'62', jsonb_build_object('customer', customer::integer),
			'90', jsonb_build_object('country', country), sum(amount)
		FROM retail
		GROUP BY invoice, customer, country;
		SELECT accum.register_ledger_verify('books'), count(*) > 25000, count(*) FILTER (WHERE amount < 0) > 3000
		FROM accum.books_movements;}),
		"\nt|t|t", 'every invoice is a posting');
	is( $node->safe_psql('postgres', q{
		WITH receivables AS (
			SELECT (subconto ->> 'customer')::integer AS customer, amount_dr AS amount
			FROM accum.books_balances WHERE account = '62'
		), sales AS (
			SELECT customer, sum(amount) AS amount FROM accum.sales_balances GROUP BY customer
		)
		SELECT (SELECT count(*) > 4000 FROM receivables), count(*) FROM (
			(TABLE receivables EXCEPT TABLE sales) UNION ALL
			(TABLE sales EXCEPT TABLE receivables)) AS differences;}),
		't|0', 'receivables of customers are what the register of sales says');
	is( $node->safe_psql('postgres', q{
		SELECT t.amount_closing_dr = s.owed, t.amount_closing_cr = s.paid_in_advance
		FROM accum.books_trial_balance(NULL::date, NULL) AS t, (
			SELECT sum(greatest(amount, 0)) AS owed, sum(greatest(-amount, 0)) AS paid_in_advance
			FROM (SELECT sum(amount) AS amount FROM accum.sales_balances GROUP BY customer) AS customers) AS s
		WHERE t.account = '62'}),
		't|t', 'and customers are not set off against one another');
	return;
}

# Invoices that begin with C are credit notes.
sub cancel_invoices
{
	is( timed($node, 'postgres', 'Unpost of 3,836 invoices in one call:', q{
			SELECT accum.register_unpost('sales', array_agg(DISTINCT invoice))
			FROM retail WHERE invoice LIKE 'C%'}),
		$node->safe_psql('postgres', q{SELECT count(*) FROM retail WHERE invoice LIKE 'C%'}),
		'one call removes all lines of all credit notes');
	timed($node, 'postgres', 'Unpost of 3,836 invoices one by one:', q{
		SET TimeZone = 'America/New_York';
		DO $$
		DECLARE document text;
		BEGIN
			FOR document IN SELECT DISTINCT invoice FROM retail WHERE invoice LIKE 'C%' LOOP
				PERFORM accum.register_unpost('invoices', document);
				COMMIT;
			END LOOP;
		END $$;});
	$node->safe_psql('postgres', q{DELETE FROM retail WHERE invoice LIKE 'C%'});
	return;
}

sub double_invoices
{
	$node->safe_psql('postgres', q{
		CREATE TABLE doubled AS
		SELECT DISTINCT md5(invoice), invoice FROM retail ORDER BY 1 LIMIT 1000;
		UPDATE retail SET quantity = 2 * quantity WHERE invoice IN (SELECT invoice FROM doubled);
		CREATE TABLE documents_to_repost AS SELECT d.* FROM documents d JOIN doubled USING (invoice);});
	foreach my $register ('sales', 'invoices')
	{
		timed($node, 'postgres', "Repost of 1,000 invoices in $register:", qq{
			DO \$\$
			DECLARE document record;
			BEGIN
				FOR document IN SELECT * FROM documents_to_repost LOOP
					PERFORM accum.register_repost('$register', document.invoice, document.lines);
					COMMIT;
				END LOOP;
			END \$\$;});
	}
	return;
}

# The statement by month and country against window sums over the lines; its last
# closing against the balances.
sub statement_agrees
{
	my ($register) = @_;
	my (@expected, @actual);

	foreach my $resource ('quantity', 'amount')
	{
		my $receipt = "coalesce(sum($resource) FILTER (WHERE $resource > 0), 0)";

		push @expected, "sum(sum($resource)) OVER w - sum($resource)", $receipt,
		  "$receipt - sum($resource)", "sum($resource)", "sum(sum($resource)) OVER w";
		push @actual, map { "${resource}_$_" } qw(opening receipt expense turnover closing);
	}
	is( $node->safe_psql('postgres', sprintf(q{
		WITH expected AS (
				SELECT date_trunc('month', invoice_date)::date, country, %s
				FROM retail GROUP BY 1, 2
				WINDOW w AS (PARTITION BY country ORDER BY date_trunc('month', invoice_date)::date)),
			statement AS (
				SELECT unit_start, country, %s
				FROM accum.%s_statement(NULL, NULL, group_by => '["country"]', unit => 'month'))
		SELECT (SELECT count(*) > 0 FROM statement), count(*) FROM (
			(TABLE expected EXCEPT ALL TABLE statement) UNION ALL
			(TABLE statement EXCEPT ALL TABLE expected)) AS differences},
				join(', ', @expected), join(', ', @actual), $register)),
		't|0', "the statement of $register is what window sums over the lines are");
	is( $node->safe_psql('postgres', qq{
		SELECT count(*) FROM (
			SELECT DISTINCT ON (country) country, quantity_closing, amount_closing
			FROM accum.${register}_statement(NULL, NULL, group_by => '["country"]', unit => 'month')
			ORDER BY country, unit_start DESC) AS last
		FULL JOIN (SELECT country, sum(quantity) AS quantity, sum(amount) AS amount
			FROM accum.${register}_balances GROUP BY country) AS balance USING (country)
		WHERE (quantity_closing, amount_closing) IS DISTINCT FROM (quantity, amount)}),
		'0', "the last closing of $register is its balance");
	return;
}
