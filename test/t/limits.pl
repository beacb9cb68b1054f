# limits.pl - limits of balances, under many sessions and against brute force.
#
# Sixteen clients draw from one cell that may not go below zero: exactly as many
# draws succeed as there is to draw.  The guard of every date gives the same verdicts
# as adding up all movements, on 5,000 random changes, which a preview has told before;
# and when sixteen clients change the past at the same time, no day ends below zero.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('limits',
	conf => "max_connections = 30\ndeadlock_timeout = 200ms\nlog_lock_waits = off\n");

$node->safe_psql('postgres', q{
	CREATE TABLE tried (register text, succeeded boolean);

	-- Run a statement and note whether a limit let it pass; other errors are errors.
	CREATE FUNCTION try(register text, statement text) RETURNS boolean LANGUAGE plpgsql AS $$
	DECLARE
		result boolean := true;
	BEGIN
		BEGIN
			EXECUTE statement;
		EXCEPTION WHEN check_violation THEN
			result := false;
		END;
		INSERT INTO tried VALUES (register, result);
		RETURN result;
	END $$;});

draw($_) foreach ('read committed', 'repeatable read');
brute_force('straight', 1, 5000, '');
brute_force('with SQL', 2, 1000, 'SET pg_accumulator.debug_sql_writes = on;');
change_the_past($_) foreach ('read committed', 'repeatable read');

$node->stop;
done_testing();

# Sixteen pgbench clients, $transactions each, at an isolation level; what fails for
# others' sake is tried again.
sub clients
{
	my ($level, $transactions, $name, $script) = @_;
	my $file = $node->basedir . "/$name.sql";

	append_to_file($file, $script);
	local $ENV{PGOPTIONS} = '-c default_transaction_isolation=' . ($level =~ s/ /\\ /gr);
	$node->command_ok(
		[ 'pgbench', '--no-vacuum', '--client=16', '--jobs=2', "--transactions=$transactions",
			'--random-seed=1', '--max-tries=100000', "--file=$file", 'postgres' ],
		"$name: clients");
	return;
}

# 500 pieces in one cell, and 800 who want one.
sub draw
{
	my ($level) = @_;
	my $register = 'draw_' . ($level =~ s/ /_/gr);

	$node->safe_psql('postgres', qq{
		SELECT accum.register_create('$register', '{"cell": "int"}', '{"n": "integer"}',
			limits => '[{"name": "enough", "check": "n >= 0"}]');
		SELECT accum.register_post('$register', '{"recorder": "all", "period": "2026-01-01", "cell": 1, "n": 500}');});
	clients($level, 50, $register, qq{
		\\set way random(1, 2)
		\\set day random(0, 400)
		\\if :way = 1
		SELECT try('$register', format('SELECT accum.register_post(%L, %L)', '$register', jsonb_build_object(
			'recorder', 'c:client_id', 'period', date '2026-01-01' + :day, 'cell', 1, 'n', -1)));
		\\else
		SELECT try('$register', format('INSERT INTO accum.${register}_movements (recorder, period, cell, n)
			VALUES (%L, %L, 1, -1)', 'c:client_id', timestamptz '2026-01-01' + :day * interval '1 day'));
		\\endif
		SELECT 1 / (n >= 0)::int FROM accum.${register}_balance_cache;});
	is( $node->safe_psql('postgres', qq{
		SELECT count(*) FILTER (WHERE succeeded), count(*) FILTER (WHERE NOT succeeded)
		FROM tried WHERE register = '$register';
		SELECT n, movements_count FROM accum.${register}_balance_cache;}),
		"500|300\n0|501", "$level: as many have drawn as there was to draw");
	register_is_right($node, 'postgres', $register, $level);
	return;
}

# Random posts, reposts and unposts.  Before each, the movements that it would leave
# behind are added up day by day; a preview has to tell the same cells and limits.  Then
# it has to pass or fail accordingly, and an error has to name one of the cells that
# would break the limit, with the first such day and its balance.
sub brute_force
{
	my ($name, $seed, $changes, $settings) = @_;
	my $register = "brute_$seed";

	$node->safe_psql('postgres', qq{
		SELECT accum.register_create('$register', '{"cell": "int"}', '{"n": "integer", "m": "numeric"}',
			time_zone => 'Europe/Berlin', limits => '[
				{"name": "never", "check": "n >= 0 or cell is null", "every_date": true},
				{"name": "now", "check": "m < 20"}]');
		CREATE FUNCTION would_be_$seed(documents text[], new jsonb)
			RETURNS TABLE (cell int, problem text, first_day date, balance int) LANGUAGE sql AS \$\$
			WITH movement AS (
				SELECT m.recorder, m.period, m.cell, m.n, m.m FROM accum.${register}_movements m
				WHERE m.recorder <> ALL (documents)
				UNION ALL
				SELECT j.recorder, j.period, j.cell, j.n, j.m
				FROM jsonb_to_recordset(new) AS j (recorder text, period timestamptz, cell int, n int, m numeric)),
			day AS (
				SELECT cell, (period AT TIME ZONE 'Europe/Berlin')::date AS day,
					sum(sum(n)) OVER (PARTITION BY cell ORDER BY (period AT TIME ZONE 'Europe/Berlin')::date) AS n
				FROM movement GROUP BY 1, 2)
			(SELECT DISTINCT ON (cell) cell, 'never', day, n FROM day
			WHERE n < 0 AND cell IS NOT NULL ORDER BY cell, day)
			UNION ALL
			SELECT cell, 'now', NULL, NULL FROM movement GROUP BY cell HAVING sum(m) >= 20 \$\$;});

	my $result = timed($node, 'postgres', "$changes changes $name", $settings . qq{
		CREATE FUNCTION pg_temp.change() RETURNS text LANGUAGE plpgsql AS \$\$
		DECLARE
			document text := 'd' || floor(random() * 60);
			way float := random();
			lines jsonb := '[]';
			expected record;
			replaced text[] := ARRAY[document];
			foreseen text;
			passed boolean := true;
			problem text;
			broken text;
		BEGIN
			IF way >= 0.2 THEN
				SELECT jsonb_agg(jsonb_build_object('recorder', document,
						'period', timestamptz '2025-12-20 00:00Z' + random() * 30 * interval '1 day',
						'cell', nullif(floor(random() * 4)::int, 3),
						'n', floor(random() * 21)::int - 9, 'm', round((random() * 5 - 2)::numeric, 2)))
				INTO lines FROM generate_series(1, 1 + floor(random() * 3)::int);
			END IF;
			IF way > 0.7 THEN
				replaced := '{}';
			END IF;
			SELECT string_agg(concat_ws(' ', p.dimensions ->> 'cell', b), ',' ORDER BY b, p.dimensions ->> 'cell') INTO foreseen
			FROM accum.register_preview('$register', CASE WHEN way <= 0.7 THEN document END,
				CASE WHEN way >= 0.2 THEN lines END) p, unnest(p.broken_limits) AS b;
			IF foreseen IS DISTINCT FROM (SELECT string_agg(concat_ws(' ', w.cell, w.problem), ',' ORDER BY w.problem, w.cell)
				FROM would_be_$seed(replaced, lines) AS w) THEN
				RETURN 'wrongly foreseen: ' || foreseen;
			END IF;
			BEGIN
				IF way < 0.2 THEN
					PERFORM accum.register_unpost('$register', document);
				ELSIF way <= 0.7 THEN
					PERFORM accum.register_repost('$register', document, lines);
				ELSE
					PERFORM accum.register_post('$register', lines);
				END IF;
			EXCEPTION WHEN check_violation THEN
				passed := false;
				GET STACKED DIAGNOSTICS problem = PG_EXCEPTION_DETAIL, broken = CONSTRAINT_NAME;
			END;
			-- Passed: nothing is broken now.  Failed: something would have been.
			IF passed THEN
				IF EXISTS (SELECT FROM would_be_$seed('{}', '[]')) THEN
					RETURN 'wrongly passed';
				END IF;
				RETURN 'passed';
			END IF;
			FOR expected IN SELECT * FROM would_be_$seed(replaced, lines) LOOP
				IF broken = expected.problem AND (
					(broken = 'never' AND problem ~ format('= \\(%s\\) would have .* = .*[( ]%s[,)].* at the end of %s\\.',
						expected.cell, expected.balance, expected.first_day)) OR
					(broken = 'now' AND problem LIKE format('%%= (%s) has %%', coalesce(expected.cell::text, 'null')))) THEN
					RETURN broken;
				END IF;
			END LOOP;
			RETURN 'wrongly failed: ' || broken || ' ' || problem;
		END \$\$;
		SELECT setseed(0.$seed) IS NULL;
		CREATE TEMP TABLE verdicts (verdict text);} . q{
		INSERT INTO verdicts SELECT pg_temp.change() FROM generate_series(1, 500);} x ($changes / 500) . q{
		SELECT verdict, count(*) FROM verdicts GROUP BY 1 ORDER BY 1;});
	note($result);
	my %verdicts = map { split /\|/ } grep { /\|/ } split /\n/, $result;
	is(join(' ', sort keys %verdicts), 'never now passed', "$name: the same verdicts");
	cmp_ok($verdicts{$_} // 0, '>', $changes / 50, "$name: $_") foreach ('never', 'now', 'passed');
	register_is_right($node, 'postgres', $register, $name);
	return;
}

# Documents are moved about in time by many sessions.
sub change_the_past
{
	my ($level) = @_;
	my $register = 'past_' . ($level =~ s/ /_/gr);

	$node->safe_psql('postgres', qq{
		SELECT accum.register_create('$register', '{"cell": "int"}', '{"n": "integer"}',
			limits => '[{"name": "enough", "check": "n >= 0", "every_date": true}]');
		SELECT accum.register_post('$register', (SELECT jsonb_agg(jsonb_build_object(
			'recorder', 'd' || i, 'period', date '2026-01-01' + i, 'cell', i % 2, 'n', 5)) FROM generate_series(0, 19) AS i));});
	clients($level, 60, $register, qq{
		\\set d random(0, 29)
		\\set day random(0, 30)
		\\set other random(0, 30)
		\\set n random(-8, 9)
		SELECT try('$register', format('SELECT accum.register_repost(%L, %L, %L)', '$register', 'd' || :d, jsonb_build_array(
			jsonb_build_object('period', date '2026-01-01' + :day, 'cell', :d % 2, 'n', :n),
			jsonb_build_object('period', date '2026-01-01' + :other, 'cell', :d % 2, 'n', 0 - (:n)))));});
	is( $node->safe_psql('postgres', qq{
		SELECT count(*) FILTER (WHERE succeeded) > 50, count(*) FILTER (WHERE NOT succeeded) > 50, count(*)
		FROM tried WHERE register = '$register';
		SELECT count(*) FROM (SELECT sum(sum(n)) OVER (PARTITION BY cell ORDER BY period::date) AS n
			FROM accum.${register}_movements GROUP BY cell, period::date) AS d WHERE n < 0;}),
		"t|t|960\n0", "$level: no day ends below zero");
	register_is_right($node, 'postgres', $register, $level);
	unlike(slurp_file($node->logfile), qr/deadlock detected/, "$level: no deadlock");
	return;
}
