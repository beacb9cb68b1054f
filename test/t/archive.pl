# archive.pl - ten years of movements, seven of which are archived, dumped and dropped
# while others post and read.
#
# What the register says of the past must be the same byte for byte before and after,
# also in a restored database.  While partitions are detached under load, derived tables
# have to agree with all movements, those that are still there and those detached.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('archive', conf => "deadlock_timeout = 100ms\nmax_connections = 40");
my $archive = $node->basedir . '/archive.dump';

ten_years_are_archived();
archived_register_is_dumped();
archived_under_load();
lock_timeout_is_kept();
is($node->safe_psql('postgres', q{SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'}), 0,
	'there was no deadlock');
$node->stop;
done_testing();

# An interval after which a day lies exactly so far back.
sub age
{
	my ($day) = @_;

	return "now() - timestamptz '$day 12:00Z'";
}

# Balances at the end of each month, and statements by month, of a register.
sub answers
{
	my ($database, $register) = @_;

	return $node->safe_psql($database, qq{
		SET TimeZone = 'UTC';
		SELECT m::date, b FROM generate_series(timestamp '2015-01-31', '2024-12-31', '1 month') AS m,
			 accum.${register}_balances_at((date_trunc('month', m) + interval '1 month - 1 day')::date) AS b ORDER BY 1, 2;
		SELECT m::date, accum.${register}_balance('{"warehouse": 3}', m::date)
		FROM generate_series(timestamp '2015-01-01', '2024-12-31', '9 days') AS m ORDER BY 1;
		SELECT * FROM accum.${register}_statement(date '2015-01-01', date '2024-12-31', unit => 'month', group_by => '["warehouse", "product"]');
		SELECT accum.${register}_turnover(date '2015-02-03', date '2021-11-12', group_by => '["product"]');
		SELECT accum.${register}_balance()});
}

sub verified
{
	my ($database, $register) = @_;

	return $node->safe_psql($database, "SELECT DISTINCT status FROM accum.register_verify('$register')");
}

sub size
{
	my ($register) = @_;

	return $node->safe_psql('postgres', qq{SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('accum.${register}_movements')});
}

sub ten_years_are_archived
{
	$node->safe_psql('postgres', q{
		SET pg_accumulator.partitions_ahead = 0;
		SELECT accum.register_create('decade', '{"warehouse": "integer", "product": "integer"}',
			'{"quantity": "bigint", "amount": "numeric(14,2)"}');
		INSERT INTO accum.decade_movements (recorder, period, warehouse, product, quantity, amount)
		SELECT 'd' || i / 2, timestamptz '2015-01-01 00:00Z' + (i * 7919 % 3650) * interval '1 day' + (i % 1440) * interval '1 minute',
			   i % 7, i % 11, i % 19 - 6, (i % 977 - 300) / 8.0
		FROM generate_series(1, 40000) AS i;
		SELECT accum.register_create_partitions('decade', '0')});

	my $answers = answers('postgres', 'decade');
	my $size = size('decade');
	my $movements = $node->safe_psql('postgres', 'SELECT count(*) FROM accum.decade_movements');

	is($node->safe_psql('postgres', "SELECT accum.register_detach_partitions('decade', ${\age('2022-01-01')})"), 84,
		'seven years of months are detached');
	ok(answers('postgres', 'decade') eq $answers, 'balances and statements are the same byte for byte');
	is(verified('postgres', 'decade'), 'OK', 'verify is clean');
	my $detached = $node->safe_psql('postgres', q{SELECT sum(pg_total_relation_size(oid)) FROM pg_class
		WHERE relname ~ '^decade_movements_\d' AND relkind = 'r' AND NOT relispartition});
	is(size('decade') + $detached, $size, 'size shrinks by the archived movements');
	cmp_ok($detached, '>', $size / 3, 'which are many');
	is($node->safe_psql('postgres', q{
		SELECT (SELECT count(*) FROM accum.decade_movements) + (i ->> 'archived_movements')::bigint,
			   i ->> 'movements_count' = (SELECT count(*)::text FROM accum.decade_movements)
		FROM accum.register_info('decade') AS i}), "$movements|t", 'movements are counted as archived or not');

	# Dump a detached table by itself, and drop them all.
	command_ok([ 'pg_dump', '--no-sync', '--format=custom', '--table=accum.decade_movements_2015_01', "--file=$archive",
		$node->connstr('postgres') ], 'a detached partition can be dumped');
	my $january = $node->safe_psql('postgres', 'SELECT count(*), sum(amount) FROM accum.decade_movements_2015_01');
	$node->safe_psql('postgres', $_) foreach split /\n/, $node->safe_psql('postgres', q{
		SELECT format('DROP TABLE accum.%I', relname) FROM pg_class
		WHERE relname ~ '^decade_movements_\d' AND relkind = 'r' AND NOT relispartition});
	ok(answers('postgres', 'decade') eq $answers, 'without them all is the same byte for byte');
	is(verified('postgres', 'decade'), 'OK', 'verify is clean without them');
	$node->safe_psql('postgres', q{SELECT accum.register_rebuild_totals('decade'), accum.register_rebuild_cache('decade')});
	ok(answers('postgres', 'decade') eq $answers, 'after a rebuild all is the same byte for byte');
	is(verified('postgres', 'decade'), 'OK', 'verify is clean after a rebuild');

	# What was dumped can be looked at again, in any database.
	$node->safe_psql('postgres', 'CREATE DATABASE attic');
	$node->safe_psql('attic', 'CREATE SCHEMA accum');
	command_ok([ 'pg_restore', '--exit-on-error', '--dbname=' . $node->connstr('attic'), $archive ],
		'a detached partition can be restored where the extension is not');
	is($node->safe_psql('attic', 'SELECT count(*), sum(amount) FROM accum.decade_movements_2015_01'), $january,
		'with all its movements');
	return;
}

sub archived_register_is_dumped
{
	my $dump = $node->basedir . '/all.dump';
	my $answers = answers('postgres', 'decade');

	command_ok([ 'pg_dump', '--no-sync', '--format=custom', "--file=$dump", $node->connstr('postgres') ], 'dump');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	command_ok([ 'pg_restore', '--exit-on-error', '--dbname=' . $node->connstr('restored'), $dump ], 'restore');
	ok(answers('restored', 'decade') eq $answers, 'a restored register says the same byte for byte');
	is(verified('restored', 'decade'), 'OK', 'verify is clean in the restored database');
	my ($code, undef, $stderr) = $node->psql('restored', q{\set VERBOSITY sqlstate
		SELECT accum.register_post('decade', '{"recorder": "x", "period": "2021-12-31", "warehouse": 1, "product": 1}')});
	like($stderr, qr/55000/, 'the horizon is restored as well');
	return;
}

# Posts, unposts and reads of any month, while year after year is detached.
sub archived_under_load
{
	$node->safe_psql('postgres', q{
		SET pg_accumulator.partitions_ahead = 0;
		CREATE TABLE refused (what text);
		CREATE PROCEDURE try(register text, what text, call text) LANGUAGE plpgsql AS $$
		BEGIN
			EXECUTE call;
		EXCEPTION WHEN object_not_in_prerequisite_state THEN
			INSERT INTO refused VALUES (register || ' ' || what);
		END $$});
	foreach my $register ('busy', 'hot')
	{
		my $high_write = $register eq 'hot' ? 'true' : 'false';

		$node->safe_psql('postgres', qq{
			SET pg_accumulator.partitions_ahead = 0;
			SELECT accum.register_create('$register', '{"warehouse": "integer", "product": "integer"}', '{"quantity": "bigint"}',
				high_write => $high_write);
			INSERT INTO accum.${register}_movements (recorder, period, warehouse, product, quantity)
			SELECT 'd' || i, timestamptz '2015-01-01 00:00Z' + (i * 7919 % 3650) * interval '1 day', i % 7, i % 11, i % 19 - 6
			FROM generate_series(1, 5000) AS i;
			SELECT accum.register_create_partitions('$register', '0')});
		load($register);
		is(verified('postgres', $register), 'OK', "$register: verify is clean");
		# All movements there ever were, wherever they are now.
		my $all = join ' UNION ALL ', map { "SELECT warehouse, product, quantity, period FROM accum.$_" }
		  split /\n/, $node->safe_psql('postgres', qq{SELECT relname FROM pg_class WHERE relname ~ '^${register}_movements_' AND relkind = 'r'});
		is($node->safe_psql('postgres', qq{
			WITH m AS MATERIALIZED ($all), truth AS (
				SELECT warehouse, product, sum(quantity) AS quantity, count(*) FROM m GROUP BY 1, 2), kept AS (
				SELECT warehouse, product, quantity::numeric, movements_count FROM accum.${register}_balance_cache)
			SELECT (SELECT count(*) FROM (TABLE truth EXCEPT TABLE kept) x) + (SELECT count(*) FROM (TABLE kept EXCEPT TABLE truth) x)}),
			0, "$register: the cache is the sum of all movements, detached ones included");
		is($node->safe_psql('postgres', qq{
			WITH m AS MATERIALIZED ($all), truth AS (
				SELECT warehouse, product, date_trunc('month', period, 'UTC')::date, sum(quantity) AS quantity, count(*) FROM m GROUP BY 1, 2, 3), kept AS (
				SELECT warehouse, product, period, quantity::numeric, movements_count FROM accum.${register}_totals_month WHERE movements_count <> 0)
			SELECT (SELECT count(*) FROM (TABLE truth EXCEPT TABLE kept) x) + (SELECT count(*) FROM (TABLE kept EXCEPT TABLE truth) x)}),
			0, "$register: so are the totals of each month");
		cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM refused WHERE what LIKE '$register%'"), '>', 0,
			"$register: some came too late for what they wanted to write");
	}
	return;
}

sub load
{
	my ($register) = @_;
	my $script = $node->basedir . "/$register.pgbench";
	my %output;

	append_to_file($script, qq{
\\set day random(0, 3649)
\\set d random(1, 5000)
CALL try('$register', 'post', format('SELECT accum.register_post(''$register'', %L)', jsonb_build_object('recorder', 'p' || :client_id,
	'period', timestamp '2015-01-01' + :day * interval '1 day', 'warehouse', :d % 7, 'product', :d % 11, 'quantity', 1)));
CALL try('$register', 'unpost', 'SELECT accum.register_unpost(''$register'', ''d:d'')');
SELECT accum.${register}_balance('{"warehouse": 1}', date '2015-01-01' + :day::integer);
});
	my $run = IPC::Run::start([ 'pgbench', '--no-vacuum', '--client=8', '--time=6', "--file=$script", '--host=' . $node->host,
		'--port=' . $node->port, 'postgres' ], '>', \$output{stdout}, '2>', \$output{stderr});
	my $detached = 0;

	foreach my $year (2016 .. 2022)
	{
		$detached += $node->safe_psql('postgres', "SELECT accum.register_detach_partitions('$register', ${\age(qq{$year-01-01})})");
		$node->safe_psql('postgres', 'SELECT pg_sleep(0.3)');
	}
	$run->finish;
	is($output{stderr} =~ s/^pgbench \(.*\n//mr, '', "$register: nobody who posts and reads has another error");
	is($detached, 84, "$register: all seven years are detached");
	$node->safe_psql('postgres', "SELECT accum._delta_flush_register('$register')");
	return;
}

# Who reads movements keeps them from being detached as long as lock_timeout says.
sub lock_timeout_is_kept
{
	my ($in, $out) = ('', '');
	my $reader = IPC::Run::start(
		[ 'psql', '--no-psqlrc', '--no-align', '--tuples-only', '--quiet', '--file=-', $node->connstr('postgres') ],
		'<', \$in, '>', \$out, IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default));

	$in .= "BEGIN; SELECT 'read ' || count(*) FROM accum.busy_movements;\n";
	$reader->pump until $out =~ /read \d/;
	my ($code, undef, $stderr) = $node->psql('postgres', qq{\\set VERBOSITY sqlstate
		SET lock_timeout = '100ms';
		SELECT accum.register_detach_partitions('busy', ${\age('2023-01-01')})});
	like($stderr, qr/55P03/, 'a lock that is not to be had in time is error 55P03');
	is($node->safe_psql('postgres', q{SELECT archived_before FROM accum._registers WHERE name = 'busy'}), '2022-01-01',
		'and nothing is done');
	$in .= "COMMIT;\n\\q\n";
	$reader->finish;
	return;
}
