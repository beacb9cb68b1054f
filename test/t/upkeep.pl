# upkeep.pl - long work on a register: it tells how far it has come, can be cancelled,
# and is in no reader's way.
#
# Nothing here depends on how long something takes: work is stopped where it is to be
# looked at by a lock that it needs.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('upkeep', conf => "shared_preload_libraries = 'pg_accumulator'\npg_accumulator.background_workers = 0");

$node->safe_psql('postgres', q{
	SET pg_accumulator.partitions_ahead = 0;
	SELECT accum.register_create('big', '{"cell": "integer"}', '{"n": "bigint"}');
	INSERT INTO accum.big_movements (recorder, period, cell, n)
	SELECT 'd', timestamptz '2019-01-01 00:00Z' + i % 700 * interval '1 day', i % 1000, i % 9 - 3 FROM generate_series(1, 30000) AS i;
	SELECT accum.register_create_partitions('big', '0');
	ANALYZE accum.big_movements});

notices_tell();
progress_is_seen();
numbers_are_for_who_sees_all();
cancelled_work_is_forgotten();
readers_go_on();
without_preload();
$node->stop;
done_testing();

sub notices_tell
{
	foreach my $call (
		[ 'register_verify', 'verify', 'comparing totals_day' ],
		[ 'register_rebuild_totals', 'rebuild of totals', 'writing totals_month' ],
		[ 'register_rebuild_cache', 'rebuild of balance_cache', 'writing balance_cache' ],
		[ 'register_detach_partitions', 'archiving', 'comparing totals' ])
	{
		my ($function, $name, $phase) = @$call;
		my (undef, undef, $stderr) = $node->psql('postgres', qq{
			SET pg_accumulator.progress_interval = 1;
			BEGIN;
			SELECT count(*) FROM accum.$function('big');
			ROLLBACK});

		like($stderr, qr/NOTICE:  $name of register "big": reading movements, \d{1,3} %, \d+ movements per second/,
			"$function tells how many movements it has read");
		like($stderr, qr/NOTICE:  $name of register "big": $phase/, "$function tells what it is doing then");
		cmp_ok(scalar(() = $stderr =~ /reading movements/g), '<=', 31, "$function does not tell of each movement");
		(undef, undef, $stderr) = $node->psql('postgres', qq{
			SET pg_accumulator.progress_interval = 0;
			BEGIN;
			SELECT count(*) FROM accum.$function('big');
			ROLLBACK});
		is($stderr, '', "$function tells nothing when nobody wants to know");
	}
	return;
}

# Stop a verify when it has read all movements; returns the session that does so, and the
# one that verifies.
sub stopped_verify
{
	my $stopper = session($node->connstr('postgres'));
	my $verifier = session($node->connstr('postgres'));

	# To load the register it needs all tables for a moment.
	my $pid = told($verifier, q{SELECT 'pid ' || pg_backend_pid() FROM accum.big_balance();}, qr/pid (\d+)/);
	told($stopper, q{BEGIN; LOCK TABLE accum.big_totals_year; SELECT 'locked';}, qr/(locked)/);
	$verifier->{in} .= "SELECT DISTINCT 'status ' || status FROM accum.register_verify('big');\n\\set state :SQLSTATE\nSELECT 'state ' || :'state';\n";
	$verifier->{run}->pump_nb;
	$node->poll_query_until('postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid")
	  or die 'verify does not come to the lock';
	return ($stopper, $verifier, $pid);
}

sub progress_is_seen
{
	my ($stopper, $verifier, $pid) = stopped_verify();

	is($node->safe_psql('postgres', q{
		CREATE ROLE watcher IN ROLE pg_read_all_stats;
		SET ROLE watcher;
		SELECT pid, register, command, phase, movements_done, movements_total, percent, movements_per_second > 0, started_at < now()
		FROM accum.progress}),
		"$pid|big|verify|comparing totals_year|30000|30000|100.0|t|t", 'who may read statistics sees how far verify has come');
	is(seen_as('outsider'), "$pid|big|verify|comparing totals_year||||t", 'others see that it works');
	is(seen_as('auditor', 'GRANT SELECT ON accum.big_movements TO auditor'),
		"$pid|big|verify|comparing totals_year|30000|30000|100.0|t", 'who may read all movements is told their number');
	$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
	$node->safe_psql('elsewhere', 'CREATE EXTENSION pg_accumulator');
	is($node->safe_psql('elsewhere', 'SELECT count(*) FROM accum.progress'), 0, 'in this database');
	told($stopper, "COMMIT;\nSELECT 'released';", qr/(released)/);
	is(told($verifier, '', qr/status (\S+)/), 'OK', 'it comes to its end');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM accum.progress'), 0, 'and is seen no more');
	session_end($_) foreach ($stopper, $verifier);
	return;
}

# What a new role sees of work.
sub seen_as
{
	my ($role, $given) = @_;

	$node->safe_psql('postgres', "CREATE ROLE $role; " . ($given // ''));
	return $node->safe_psql('postgres', qq{
		SET ROLE $role;
		SELECT pid, register, command, phase, movements_done, movements_total, percent, started_at < now()
		FROM accum.progress});
}

# Whom row security shows a part of movements, the work itself does not tell the rest.
sub numbers_are_for_who_sees_all
{
	$node->safe_psql('postgres', q{
		CREATE ROLE landlord;
		GRANT CREATE ON SCHEMA accum TO landlord;
		CREATE ROLE lodger;
		SET ROLE landlord;
		SET pg_accumulator.partitions_ahead = 0;
		SELECT accum.register_create('flats', '{"tenant": "integer"}', '{"n": "bigint"}');
		INSERT INTO accum.flats_movements (recorder, period, tenant, n)
		SELECT 'd' || i / 3000, timestamptz '2019-01-01 00:00Z', 1, 1 FROM generate_series(1, 9000) AS i;
		SELECT accum.register_secure('flats', 'tenant', 'tenant = 2');
		SELECT accum.register_grant('flats', 'lodger', 'read')});
	foreach my $role ('landlord', 'lodger')
	{
		my $tells = $role eq 'landlord';
		my (undef, undef, $notices) = $node->psql('postgres', qq{
			SET ROLE $role;
			SET pg_accumulator.progress_interval = 1;
			SELECT * FROM accum.register_verify('flats')});

		like($notices, qr/verify of register "flats": comparing /, "$role is told what is done");
		is($notices =~ /movements per second/ ? 1 : 0, $tells ? 1 : 0, "and how many movements are read: $role");
		is(scalar(() = $notices =~ /reading movements/g) > 2 ? 1 : 0, $tells ? 1 : 0, "nor by the number of notices: $role");

		my $stopper = session($node->connstr('postgres'));
		my $verifier = session($node->connstr('postgres'));

		told($verifier, qq{SET ROLE $role; SELECT accum.flats_balance(); SELECT 'ready';}, qr/(ready)/);
		told($stopper, q{BEGIN; LOCK TABLE accum.flats_totals_year; SELECT 'locked';}, qr/(locked)/);
		$verifier->{in} .= "SELECT DISTINCT 'status ' || status FROM accum.register_verify('flats');\n";
		$verifier->{run}->pump_nb;
		$node->poll_query_until('postgres', q{SELECT phase = 'comparing totals_year' FROM accum.progress})
		  or die 'verify does not come to the lock';
		is($node->safe_psql('postgres', 'SELECT movements_done, movements_total FROM accum.progress'),
			$tells ? '9000|9000' : '|', "what is seen of verify by $role");
		is($node->safe_psql('postgres', 'SET ROLE lodger; SELECT movements_done, movements_total FROM accum.progress'),
			'|', 'who may read some movements only is not told');
		told($stopper, "COMMIT;\nSELECT 'released';", qr/(released)/);
		is(told($verifier, '', qr/status (\S+)/), 'OK', 'it comes to its end');
		session_end($_) foreach ($stopper, $verifier);
	}
	return;
}

sub cancelled_work_is_forgotten
{
	my ($stopper, $verifier, $pid) = stopped_verify();

	is($node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"), 't', 'verify is cancelled');
	is(told($verifier, '', qr/^state (\S+)$/m), '57014', 'and ends');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM accum.progress'), 0, 'it is seen no more');
	session_end($_) foreach ($stopper, $verifier);

	# Also in a subtransaction, and while movements are being read.
	is($node->safe_psql('postgres', q{
		SET pg_accumulator.progress_interval = 0;
		CREATE FUNCTION stopped() RETURNS bigint LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM * FROM accum.register_verify('big');
			RETURN 0;
		EXCEPTION WHEN division_by_zero THEN
			RETURN (SELECT count(*) FROM accum.progress);
		END $$;
		CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
		CREATE FUNCTION nothing(integer) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN $1 / ($1 - $1) > 0; END $$;
		CREATE ROLE reader;
		GRANT SELECT ON ALL TABLES IN SCHEMA accum TO reader;
		ALTER TABLE accum.big_movements ENABLE ROW LEVEL SECURITY;
		CREATE POLICY broken ON accum.big_movements TO reader USING (nothing(cell + 1));
		SET ROLE reader;
		SELECT stopped();
		RESET ROLE;
		ALTER TABLE accum.big_movements DISABLE ROW LEVEL SECURITY;}), 0, 'work that ends with an error is forgotten');
	return;
}

sub readers_go_on
{
	foreach my $call (q{register_rebuild_totals('big')}, q{register_rebuild_cache('big')}, q{register_prune('big')})
	{
		my $worker = session($node->connstr('postgres'));

		told($worker, "BEGIN;\nSELECT 'done ' || count(*) FROM accum.$call;", qr/(done \d)/);
		is($node->safe_psql('postgres', q{
			SET lock_timeout = '10s';
			SELECT accum.big_balance('{"cell": 7}') = accum.big_balance('{"cell": 7}', '2030-01-01 12:00Z'),
				   (SELECT count(*) FROM accum.big_movements), (SELECT count(*) FROM accum.big_balances)}),
			't|30000|1000', "$call is in no reader's way");
		my (undef, undef, $stderr) = $node->psql('postgres', q{
			\set VERBOSITY sqlstate
			SET lock_timeout = '100ms';
			SELECT accum.register_post('big', '{"recorder": "x", "period": "2019-01-01", "cell": 1, "n": 1}')});
		like($stderr, qr/55P03/, "$call keeps writers waiting");
		told($worker, "ROLLBACK;\nSELECT 'gone';", qr/(gone)/);
		session_end($worker);
	}
	register_is_right($node, 'postgres', 'big', 'in the end');
	return;
}

sub without_preload
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
	$node->restart;
	is($node->safe_psql('postgres', q{
		SELECT DISTINCT status FROM accum.register_verify('big');
		SELECT count(*) FROM accum.progress}), "OK\n0", 'without shared memory nothing is seen');
	my (undef, undef, $stderr) = $node->psql('postgres', q{
		SET pg_accumulator.progress_interval = 1;
		SELECT count(*) FROM accum.register_verify('big')});
	like($stderr, qr/NOTICE:  verify of register "big": reading movements/, 'but told');
	return;
}
