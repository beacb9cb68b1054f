# worker.pl - background workers: what they do, where they go, and that they are
# in nobody's way.
#
# Nothing here depends on how long something takes: what has to happen is waited
# for, and what must not happen is looked for after something that comes later.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('worker', conf => q{
shared_preload_libraries = 'pg_accumulator'
pg_accumulator.maintenance_interval = 200ms
pg_accumulator.background_workers = 2
autovacuum = off
});

launcher_is_visible();
partitions_are_made();
other_databases_are_left_alone();
databases_come_and_go();
extension_comes_and_goes();
errors_do_not_stop_others();
owner_gains_nothing();
deltas_are_folded();
counters_count();
interval_is_reloaded();
launcher_comes_again();
server_stops();
without_workers();
without_preload();

done_testing();

sub poll
{
	my ($database, $sql, $name) = @_;

	ok($node->poll_query_until($database, $sql), $name);
	return;
}

sub create_register
{
	my ($database, $name, $options) = @_;

	$node->safe_psql($database, "SELECT accum.register_create('$name', "
		. q('{"item": "text"}', '{"n": "bigint"}') . ($options ? ", $options" : '') . ')');
	return;
}

# A query for the number of partitions that a register has, the default one included.
sub partitions
{
	my ($name) = @_;

	return "SELECT count(*) FROM pg_inherits "
	  . "WHERE inhparent = to_regclass('accum.${name}_movements')";
}

# Let a register, a new one without partitions ahead, tell that workers come to its
# database and have done their work there.
sub wait_for_visit
{
	my ($database, $name, $message) = @_;

	$node->safe_psql($database, qq{
		SET pg_accumulator.partitions_ahead = 0;
		SELECT accum.register_create('$name', '{"item": "text"}', '{"n": "bigint"}')});
	poll($database, 'SELECT 5 = (' . partitions($name) . ')', $message);
	return;
}

sub launcher_is_visible
{
	poll('postgres', q{
		SELECT count(*) = 1 FROM pg_stat_activity
		WHERE backend_type = 'pg_accumulator launcher' AND datid IS NULL
			AND application_name = backend_type AND state = 'idle'
			AND backend_xmin IS NULL AND xact_start IS NULL},
		'the launcher is there, in no database and no transaction');
	is( $node->safe_psql('postgres', q{
		SELECT worker_name, state, query, pid IS NOT NULL AND started_at <= now()
		FROM accum._maintenance_status() WHERE worker_name LIKE '%launcher'}),
		'pg_accumulator launcher|idle|starting workers|t', '_maintenance_status shows the launcher');
	$node->safe_psql('postgres', 'CREATE ROLE nobody');
	is( $node->safe_psql('postgres', 'SET ROLE nobody; SELECT count(*) FROM accum._maintenance_status()'),
		'0', 'but not to everybody');
	return;
}

sub partitions_are_made
{
	wait_for_visit('postgres', 'ahead', 'partitions ahead are made');
	is( $node->safe_psql('postgres', q{
		SELECT count(DISTINCT relowner::regrole), min(relowner::regrole::text)
		FROM pg_class WHERE relname ~ '^ahead_movements_'}),
		'1|postgres', 'the owner of the register owns them');

	# Rows that are in the default partition move, be they of the months ahead or not.
	$node->safe_psql('postgres', q{
		SET pg_accumulator.partitions_ahead = 0;
		BEGIN;
		SELECT accum.register_create('filled', '{"item": "text"}', '{"n": "bigint"}');
		INSERT INTO accum.filled_movements (recorder, period, item, n)
		VALUES ('early', date_trunc('month', now(), 'UTC') + interval '2 months', 'x', 1),
			('late', '1999-05-05', 'x', 2), ('late', '1999-07-05', 'x', 3);
		COMMIT});
	poll('postgres', 'SELECT 7 = (' . partitions('filled') . ')',
		'units with rows in the default partition get theirs');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM accum.filled_movements_default'), '0',
		'the rows are not in the default partition any more');
	is($node->safe_psql('postgres', "SELECT worker_errors FROM accum.stat_registers WHERE name = 'filled'"),
		'0', 'without an error');
	register_is_right($node, 'postgres', 'filled', 'rows moved');
	return;
}

sub other_databases_are_left_alone
{
	$node->safe_psql('postgres', "CREATE DATABASE $_")
	  foreach ('plain', 'looked', 'closed ALLOW_CONNECTIONS false');
	$node->safe_psql('looked', 'CREATE EXTENSION pg_accumulator');
	wait_for_visit('looked', 'later', 'a new database is found');

	# pg_stat_database knows where somebody has been, and autovacuum is off.
	poll('postgres', q{
		SELECT count(*) = 0 FROM pg_stat_activity
		WHERE backend_type LIKE 'pg_accumulator%' AND datname IN ('plain', 'closed', 'template1')},
		'no worker stays in databases without the extension');
	my $count = q{SELECT xact_commit FROM pg_stat_database WHERE datname = 'plain'};
	poll('postgres', q{SELECT xact_commit > 0 FROM pg_stat_database WHERE datname = 'plain'},
		'a database without the extension was looked at');
	my $before = $node->safe_psql('postgres', $count);
	wait_for_visit('looked', 'later_' . $_, "worker's visit $_") foreach (1 .. 3);
	is($node->safe_psql('postgres', $count), $before, 'and not a second time');
	is( $node->safe_psql('postgres', q{SELECT xact_commit FROM pg_stat_database WHERE datname = 'closed'}),
		'0', 'one that takes no connections was not');
	$node->safe_psql('postgres', 'ALTER DATABASE looked IS_TEMPLATE true');
	return;
}

# Every DROP DATABASE succeeds, though workers come all the time.
sub databases_come_and_go
{
	$node->safe_psql('postgres', 'ALTER SYSTEM SET pg_accumulator.maintenance_interval = 100');
	$node->reload;
	foreach my $i (1 .. 5)
	{
		my ($result, $stdout, $stderr);

		# looked is a template by now, with registers.
		$node->safe_psql('postgres', 'CREATE DATABASE goes TEMPLATE looked');
		wait_for_visit('goes', 'ahead', "round $i: a copied database is looked after");
		($result, $stdout, $stderr) = $node->psql('postgres', 'CREATE DATABASE copy TEMPLATE goes');
		is($result, 0, "round $i: a database can be copied") or diag($stderr);
		foreach my $database ('goes', 'copy')
		{
			($result, $stdout, $stderr) = $node->psql('postgres', "DROP DATABASE $database");
			is($result, 0, "round $i: and dropped") or diag($stderr);
		}
	}
	poll('postgres', 'SELECT count(*) = 1 FROM accum._maintenance_status() WHERE worker_name ~ \'launcher\'',
		'the launcher is still there');
	return;
}

sub extension_comes_and_goes
{
	$node->safe_psql('postgres', 'CREATE DATABASE changing');
	foreach my $i (1 .. 3)
	{
		$node->safe_psql('changing', 'CREATE EXTENSION pg_accumulator');
		wait_for_visit('changing', 'ahead', "round $i: workers come with the extension");
		$node->safe_psql('changing', 'DROP SCHEMA accum CASCADE');
	}
	$node->safe_psql('postgres', 'DROP DATABASE changing');
	return;
}

sub errors_do_not_stop_others
{
	my $offset = -s $node->logfile;

	# The names sort so that the broken register comes first.
	$node->safe_psql('postgres', q{
		CREATE ROLE poor;
		BEGIN;
		GRANT CREATE ON SCHEMA accum TO poor;
		SET LOCAL ROLE poor;
		SET LOCAL pg_accumulator.partitions_ahead = 0;
		SELECT accum.register_create('a_broken', '{"item": "text"}', '{"n": "bigint"}');
		RESET ROLE;
		REVOKE CREATE ON SCHEMA accum FROM poor;
		COMMIT});
	poll('postgres', q{SELECT worker_errors > 1 FROM accum.stat_registers WHERE name = 'a_broken'},
		'errors are counted');
	wait_for_visit('postgres', 'b_good', 'other registers get their turn');
	like(slurp_file($node->logfile, $offset),
		qr/ERROR:  permission denied for schema accum.*CONTEXT:.*upkeep of register "a_broken"/s,
		'errors are logged');

	# Once mended it is kept like the others, and nothing is left of a dropped one.
	$node->safe_psql('postgres', 'GRANT CREATE ON SCHEMA accum TO poor');
	poll('postgres', 'SELECT 5 = (' . partitions('a_broken') . ')', 'the register is tried again');
	$node->safe_psql('postgres', q{
		SELECT accum.register_drop('a_broken');
		DROP OWNED BY poor;
		DROP ROLE poor});
	return;
}

# A trigger that the owner of a register has made to run as the superuser that
# commits does not come to run.
sub owner_gains_nothing
{
	$node->safe_psql('postgres', q{
		CREATE ROLE clerk;
		GRANT CREATE ON SCHEMA accum TO clerk;
		SET ROLE clerk;
		SET pg_accumulator.partitions_ahead = 0;
		SELECT accum.register_create('clerks', '{"item": "text"}', '{"n": "bigint"}')});
	poll('postgres', 'SELECT 5 = (' . partitions('clerks') . ')', 'registers of ordinary roles are kept');
	is( $node->safe_psql('postgres', q{
		SELECT DISTINCT relowner::regrole FROM pg_class WHERE relname ~ '^clerks_movements'}),
		'clerk', 'their partitions are theirs');

	$node->safe_psql('postgres', q{
		SET ROLE clerk;
		SET pg_accumulator.partitions_ahead = 0;
		BEGIN;
		SELECT accum.register_create('robbed', '{"item": "text"}', '{"n": "bigint"}');
		RESET ROLE;
		REVOKE CREATE ON SCHEMA accum FROM clerk;
		COMMIT});
	poll('postgres', q{SELECT worker_errors > 0 FROM accum.stat_registers WHERE name = 'robbed'},
		'a worker can do no more than the owner');
	$node->safe_psql('postgres', q{SELECT accum.register_drop('robbed')});
	return;
}

sub deltas_are_folded
{
	$node->safe_psql('postgres', q{
		SELECT accum.register_create('hot', '{"item": "text"}', '{"n": "bigint"}', high_write => true);
		ALTER SYSTEM SET pg_accumulator.maintenance_interval = '1h';
		ALTER SYSTEM SET pg_accumulator.delta_merge_interval = 100;
		ALTER SYSTEM SET pg_accumulator.delta_merge_delay = 0;
		ALTER SYSTEM SET pg_accumulator.delta_merge_batch_size = 10});
	$node->reload;
	$node->safe_psql('postgres', q{
		SELECT accum.register_post('hot', jsonb_build_object('recorder', 'd' || i,
			'period', now(), 'item', i % 7, 'n', 1))
		FROM generate_series(1, 300) AS i});
	poll('postgres', q{SELECT accum._delta_count('hot') = 0}, 'deltas are folded');
	is($node->safe_psql('postgres', q{SELECT sum(n) FROM accum.hot_balance_cache}), '300',
		'into the balance cache');
	is($node->safe_psql('postgres', q{SELECT DISTINCT status FROM accum.register_verify('hot')}),
		'OK', 'and into totals');

	# What did not fit when high_write ended is folded as soon as it does.
	$node->safe_psql('postgres', q{
		SELECT accum.register_create('small', '{"item": "text"}', '{"n": "smallint"}', high_write => true);
		SELECT accum.register_post('small', jsonb_build_object('recorder', 'd' || i,
			'period', now(), 'item', 'x', 'n', 30000)) FROM generate_series(1, 2) AS i;
		SELECT accum.register_alter('small', high_write => false)});
	isnt($node->safe_psql('postgres', q{SELECT accum._delta_count('small')}), '0',
		'deltas that do not fit outlive high_write');
	$node->safe_psql('postgres', q{SELECT accum.register_unpost('small', 'd2')});
	poll('postgres', q{SELECT accum._delta_count('small') = 0}, 'and are folded when they fit');
	is($node->safe_psql('postgres', q{SELECT DISTINCT status FROM accum.register_verify('small')}),
		'OK', 'into the right sums');
	$node->safe_psql('postgres', q{
		SELECT accum.register_drop('small', true);
		ALTER SYSTEM RESET pg_accumulator.delta_merge_batch_size;
		ALTER SYSTEM SET pg_accumulator.maintenance_interval = 100});
	$node->reload;
	return;
}

sub counters_count
{
	my $counters = q{SELECT posts, unposts, reposts, movements_in, movements_out
		FROM accum.stat_registers WHERE name = 'counted'};

	create_register('postgres', 'counted');
	is($node->safe_psql('postgres', $counters), '0|0|0|0|0', 'counters begin with 0');
	$node->safe_psql('postgres', q{
		SELECT accum.register_post('counted', '[
			{"recorder": "a", "period": "2026-01-01", "item": "x", "n": 1},
			{"recorder": "a", "period": "2026-01-02", "item": "x", "n": 2}]');
		SELECT accum.register_repost('counted', 'a', '[
			{"period": "2026-01-01", "item": "x", "n": 1},
			{"period": "2026-01-03", "item": "x", "n": 2}]');
		INSERT INTO accum.counted_movements (recorder, period, item, n) VALUES ('b', '2026-01-01', 'y', 1);
		SELECT accum.register_unpost('counted', ARRAY['a', 'b']);
		BEGIN;
		SELECT accum.register_unpost('counted', 'nothing');
		ROLLBACK});
	is($node->safe_psql('postgres', $counters), '1|2|1|4|4', 'counters count, rolled back or not');
	is( $node->safe_psql('postgres', q{
		SELECT derived_rows_written >= 8, worker_errors, stats_reset < now(), last_fold IS NULL
		FROM accum.stat_registers WHERE name = 'counted'}),
		't|0|t|t', 'also what the engine wrote');

	my ($result, $stdout, $stderr) = $node->psql('postgres',
		'SET ROLE nobody; SELECT accum.stat_registers_reset()');
	like($stderr, qr/permission denied/, 'not everybody can reset them');
	$node->safe_psql('postgres', 'SELECT accum.stat_registers_reset()');
	is($node->safe_psql('postgres', $counters), '0|0|0|0|0', 'a superuser can');
	is( $node->safe_psql('postgres', q{
		SET ROLE nobody;
		SELECT posts, stats_reset > now() - interval '1 day'
		FROM accum.stat_registers WHERE name = 'counted'}),
		'0|t', 'everybody can read them');

	# Those of a register of the same name that came before are not its own.
	$node->safe_psql('postgres', q{
		SELECT accum.register_unpost('counted', 'nothing');
		SELECT accum.register_drop('counted')});
	create_register('postgres', 'counted');
	is($node->safe_psql('postgres', $counters), '0|0|0|0|0', 'a new register begins with 0');
	return;
}

# With an interval of weeks nothing happens; a shorter one counts at once.
sub interval_is_reloaded
{
	$node->safe_psql('postgres', q{ALTER SYSTEM SET pg_accumulator.maintenance_interval = '20d'});
	$node->reload;
	poll('postgres', q{SELECT setting::bigint = 20 * 86400000::bigint FROM accum._config
		WHERE name = 'pg_accumulator.maintenance_interval'}, 'the interval is a long one');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET pg_accumulator.maintenance_interval');
	$node->reload;
	wait_for_visit('postgres', 'reloaded', 'a shorter interval counts at once');
	return;
}

sub launcher_comes_again
{
	my $pid = $node->safe_psql('postgres',
		q{SELECT pid FROM accum._maintenance_status() WHERE worker_name LIKE '%launcher'});

	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	poll('postgres', qq{SELECT count(*) = 1 FROM accum._maintenance_status()
		WHERE worker_name LIKE '%launcher' AND pid <> $pid}, 'a launcher that was ended is started again');
	wait_for_visit('postgres', 'again', 'and does its work');
	return;
}

sub server_stops
{
	ok($node->stop('fast'), 'the server stops with workers at work');
	unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'nothing crashed');
	unlike(slurp_file($node->logfile), qr/ERROR: .*register "\w+" does not exist/,
		'registers that were dropped are no errors');
	return;
}

sub without_workers
{
	$node->append_conf('postgresql.conf', 'pg_accumulator.background_workers = 0');
	$node->start;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM accum._maintenance_status()'), '0',
		'without background_workers there is no launcher');
	is( $node->safe_psql('postgres', q{
		SELECT accum.register_unpost('counted', 'x');
		SELECT unposts FROM accum.stat_registers WHERE name = 'counted'}),
		"0\n1", 'but there are counters');
	return;
}

sub without_preload
{
	$node->stop;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
	$node->start;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM accum._maintenance_status()'), '0',
		'without shared_preload_libraries there is no launcher');
	is( $node->safe_psql('postgres', q{
		SELECT accum.stat_registers_reset();
		SELECT accum.register_post('counted',
			'{"recorder": "a", "period": "2026-01-01", "item": "x", "n": 1}');
		SELECT posts, movements_in, worker_errors, stats_reset FROM accum.stat_registers
		WHERE name = 'counted'}), "\n1\n|||", 'all works, counters are null');
	my ($result, $stdout, $stderr) = $node->psql('postgres', q{
		SELECT setting FROM accum._config WHERE name = 'pg_accumulator.background_workers'});
	is("$stdout$stderr", '0', 'the configuration file is accepted and shown');
	$node->stop;
	return;
}
