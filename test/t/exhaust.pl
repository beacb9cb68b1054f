# exhaust.pl - when the disk is full, or memory is not to be had, nothing is lost.
#
# Posts, reposts and folds run against a database on a tablespace of some megabytes,
# and with a limit of memory.  They fail with an error that says so; what was stored
# before is all there, and once there is room again they do their work.
#
# The tablespace is a file system of the server's own, in a namespace where an
# ordinary user may mount one; where that is not allowed the test is left out.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $helpers = slurp_file('test/sql/helpers.psql') =~ s/^\\set ECHO .*$//mgr;
my @registers = ('standard', 'fast');
my $node = PostgreSQL::Test::Cluster->new('exhaust');

$node->init;
$node->append_conf('postgresql.conf', "shared_buffers = 8MB\nmax_wal_size = 200MB\nautovacuum = off\n");
memory_runs_out();
disk_runs_full();
done_testing();

# Start the server with a shell command that begins so, in a shell that a program runs.
sub start_after
{
	my ($commands, @program) = @_;

	system_or_bail(@program, 'sh', '-c', "$commands pg_ctl --wait --silent --log='" . $node->logfile
		  . "' --pgdata='" . $node->data_dir . "' start");
	$node->_update_pid(1);
	return;
}

sub create_registers
{
	my ($database) = @_;

	$node->safe_psql($database, q{
		CREATE EXTENSION pg_accumulator;
		CREATE FUNCTION lines(document text, n integer) RETURNS jsonb LANGUAGE sql
		RETURN (SELECT jsonb_agg(jsonb_build_object('recorder', document,
					'period', timestamp '2001-01-01' + i % 28 * interval '1 day', 'cell', document || i, 'n', i))
				FROM generate_series(1, n) AS i);} . join '', map { qq{
		SELECT accum.register_create('$_', '{"cell": "text"}', '{"n": "bigint"}', partition_by => 'year', high_write => }
		  . ($_ eq 'fast' ? 'true' : 'false') . q{);} } @registers);
	return;
}

sub all_is_right
{
	my ($database, $what) = @_;

	register_is_right($node, $database, $_, $what) foreach @registers;
	return;
}

# SQLSTATE of a statement, and what the same session says afterwards.
sub outcome
{
	my ($database, $statement, $after) = @_;
	my ($result, $stdout, $stderr) = $node->psql($database,
		"$statement \\g /dev/null\n\\echo outcome :SQLSTATE\n" . ($after // ''), on_error_stop => 0);

	note($stderr =~ s/\n.*//sr) if $stderr;
	return $stdout =~ /^outcome (\w{5})\n?(.*)/s;
}

# More than there is memory for, where the argument is made or where it is used.
sub memory_runs_out
{
	my $kilobytes = 400_000;

	start_after("ulimit -v $kilobytes;");
	create_registers('postgres');
	foreach my $register (@registers)
	{
		my $data = "(SELECT jsonb_agg(l) FROM generate_series(1, 400) AS i, jsonb_array_elements(lines('huge' || i, 1000)) AS l)";
		my $counts = "(SELECT jsonb_agg(jsonb_build_object('cell', i::text, 'n', 1)) FROM generate_series(1, 300000) AS i)";

		$node->safe_psql('postgres', "SELECT accum.register_post('$register', lines('first', 100))");
		foreach my $statement ("SELECT accum.register_post('$register', $data)",
			"BEGIN; SET LOCAL pg_accumulator.coalesce = on; SELECT accum.register_post('$register', $data)",
			"SELECT accum.register_reconcile('$register', 'count', '2001-01-01', $counts)",
			"SELECT accum.register_post('$register', jsonb_build_object('recorder', 'd', 'period', '2001-01-01', 'cell', repeat('x', 1 << 28), 'n', 1))",
			"SELECT accum.register_repost('$register', repeat('x', 1 << 28), '[]')")
		{
			my ($sqlstate, $after) = outcome('postgres', $statement, "ROLLBACK;
				SELECT accum.register_post('$register', lines('next', 10));
				SELECT accum.register_unpost('$register', 'next');");

			is($sqlstate, '53200', "$register: memory runs out: " . substr($statement, 0, 100));
			like($after, qr/^10\n10$/m, 'and the session goes on');
		}
		is($node->safe_psql('postgres', "SELECT count(*) FROM accum.${register}_movements"), 100, "$register: nothing was stored");
	}
	all_is_right('postgres', 'memory');
	$node->stop;
	return;
}

sub disk_runs_full
{
	my $directory = $node->basedir . '/small';
	my $uid = $<;
	my @namespace = ('unshare', '--user', '--map-root-user', '--mount');
	my $mount = "mount -t tmpfs -o size=40m tmpfs '$directory' && exec unshare --user --map-user=$uid --map-group=$uid ";

	mkdir $directory;
	SKIP:
	{
		skip 'an ordinary user cannot mount a file system here', 1
		  if system(@namespace, 'sh', '-c', "$mount true 2>/dev/null") != 0;
		start_after($mount, @namespace);
		$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$directory'");
		$node->safe_psql('postgres', 'CREATE DATABASE small TABLESPACE small');
		$node->safe_psql('postgres', 'ALTER DATABASE small SET temp_tablespaces = pg_default');
		create_registers('small');
		fill_the_disk();
		# What is gone with the namespace cannot be dropped in another one.
		$node->safe_psql('postgres', 'DROP DATABASE small');
		$node->safe_psql('postgres', 'DROP TABLESPACE small');
		$node->stop;
	}
	return;
}

sub fill_the_disk
{
	my $filler = 'INSERT INTO filler SELECT repeat(md5(i::text), 30) FROM generate_series(1, 1000) AS i';
	my (%before, $n, $sqlstate);

	# Deltas of new days and cells, so that a fold needs pages.
	$node->safe_psql('small', q{CREATE TABLE filler (t text);
		SELECT accum.register_post(r, lines('first', 1500)) FROM unnest('{standard,fast}'::text[]) AS r;});
	$n = 0;
	do { ($sqlstate) = outcome('small', $filler) } while ($sqlstate eq '00000' && ++$n < 200);
	is($sqlstate, '53100', 'the disk is full');

	foreach my $register (@registers)
	{
		$before{$register} = $node->safe_psql('small', "SELECT count(*) FROM accum.${register}_movements");
		foreach my $statement ("SELECT accum.register_post('$register', lines('second', 3000))",
			"BEGIN; SET LOCAL pg_accumulator.coalesce = on; SELECT accum.register_post('$register', lines('second', 3000))",
			"SELECT accum.register_repost('$register', 'first', lines('first', 4000))",
			"INSERT INTO accum.${register}_movements (recorder, period, cell, n) SELECT 'third', '2001-01-01', i, i FROM generate_series(1, 5000) AS i")
		{
			($sqlstate) = outcome('small', $statement);
			is($sqlstate, '53100', "$register: " . substr($statement, 0, 80));
			is($node->safe_psql('small', "SELECT count(*) FROM accum.${register}_movements"), $before{$register},
				"$register: nothing is lost, nothing was stored");
		}
	}
	($sqlstate) = outcome('small', "SELECT accum._delta_flush_register('fast')");
	is($sqlstate, '53100', 'fast: no fold');
	is($node->safe_psql('small', "SELECT accum._delta_count('fast')"), 1500, 'fast: deltas are still pending');
	is($node->safe_psql('small', "SELECT accum.fast_balance() = accum.standard_balance()"), 't', 'and count');
	# No catalog can grow now, so this is for a function that is there.
	is($node->safe_psql('small', "SELECT DISTINCT status FROM accum.register_verify('$_')"), 'OK', "$_: verified") foreach @registers;

	$node->safe_psql('small', 'DROP TABLE filler; CHECKPOINT');
	is($node->safe_psql('small', "SELECT accum._delta_flush_register('fast')"), 1500, 'fast: folds when there is room');
	foreach my $register (@registers)
	{
		is($node->safe_psql('small', "SELECT accum.register_post('$register', lines('second', 3000));
			SELECT accum.register_unpost('$register', 'first')"), "3000\n1500", "$register: posts and cancels when there is room");
	}
	all_is_right('small', 'room');
	return;
}
