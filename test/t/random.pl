# random.pl - many sessions, few documents, few cells, at random.
#
# pgbench sessions post, repost, cancel and delete the same documents, under
# different time zones, with savepoints rolled back in between, for some seconds at
# each isolation level, in a register with high_write, too, whose deltas are folded
# meanwhile.  Afterwards everything derived equals GROUP BY, there was no
# deadlock, and no error but serialization failures at the stricter levels.
#
# Some periods lie in months that get their partition meanwhile.  ACCUM_LONG=1 runs it longer.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{ACCUM_LONG} ? 60 : 5;

# Sessions wait for each other all the time, so a deadlock shows soon.
my $node = new_server('random',
	conf => "max_connections = 30\ndeadlock_timeout = 200ms\nlog_lock_waits = off\n");

$node->safe_psql('postgres', q{
	CREATE FUNCTION lines(document text, seed integer) RETURNS jsonb LANGUAGE sql
	RETURN (SELECT jsonb_agg(jsonb_build_object('recorder', document,
				'period', date '1999-11-01' + i * seed % 400,
				'cell', nullif(i * 7 * seed % 12, 0), 'n', i * seed % 21 - 10))
			FROM generate_series(1, 1 + seed % 5) AS i);});

# One document per transaction: more of them can meet in opposite orders, as with
# any table.  What is rolled back gives its locks back.
my %scripts = (
	post => q{
		SELECT accum.register_post('REGISTER', lines('d' || :d, :seed));},
	repost => q{
		SELECT accum.register_repost('REGISTER', 'd' || :d, lines('d' || :d, :seed));},
	unpost => q{
		SELECT accum.register_unpost('REGISTER', 'd' || :d);},
	unpost_many => q{
		SELECT accum.register_unpost('REGISTER', ARRAY['d' || :d, 'd' || :e, 'd' || :f]);},
	post_many => q{
		SELECT accum.register_post('REGISTER', lines('d' || :d, :seed) || lines('d' || :e, :seed));},
	insert => q{
		INSERT INTO accum.REGISTER_movements (recorder, period, cell, n)
		SELECT 'd' || :d, timestamptz '1999-11-15 12:00Z' + :seed % 4 * interval '1 day', i, i
		FROM generate_series(1, 3) AS i;},
	delete => q{
		DELETE FROM accum.REGISTER_movements WHERE id =
			(SELECT id FROM accum.REGISTER_movements WHERE recorder = 'd' || :d LIMIT 1);},
	savepoint => q{
		BEGIN;
		SAVEPOINT s;
		SELECT accum.register_repost('REGISTER', 'd' || :d, lines('d' || :d, :seed));
		ROLLBACK TO s;
		SELECT accum.register_post('REGISTER', lines('d' || :e, :seed));
		RELEASE s;
		COMMIT;},
	rollback => q{
		BEGIN;
		SELECT accum.register_post('REGISTER', lines('d' || :d, :seed));
		ROLLBACK;},
	read => q{
		SELECT accum.REGISTER_balance(), accum.REGISTER_turnover(), accum.REGISTER_balance('{"cell": 3}');},
	# Cache and totals, each with what is pending, agree in one snapshot.  (A sum over
	# movements could miss a partition that was made while the query was planned.)
	agree => q{
		SELECT 1 / (accum.REGISTER_balance() = accum.REGISTER_turnover())::int;},
	fold => q{
		SELECT accum._delta_merge_register('REGISTER', '0', :seed);});
my %weights = (post => 6, repost => 6, unpost => 4, insert => 3);

stress($_, 0) foreach ('read committed', 'repeatable read', 'serializable');
stress($_, 1) foreach ('read committed', 'repeatable read');

$node->stop;
done_testing();

sub stress
{
	my ($level, $high_write) = @_;
	my $register = ($level =~ tr/ /_/r) . ($high_write ? '_high' : '');
	my @pgbench = ('pgbench', '--no-vacuum', "--time=$seconds", '--client=4', '--random-seed=7');
	my (@runs, $transactions, $failed, $retried);

	$node->safe_psql('postgres', qq{
		SELECT accum.register_create('$register', '{"cell": "integer"}', '{"n": "bigint"}',
			high_write => $high_write\::boolean);
		-- A plain INSERT needs the partition made before it: PostgreSQL refuses its
		-- row when the partition appears while the statement runs.
		SELECT accum.register_post('$register', '{"recorder": "first", "period": "1999-11-15",
			"cell": 1, "n": 1}');});

	$level .= ', high_write' if $high_write;

	# While there is time, a retry has to work.
	push @pgbench, '--max-tries=0' if $level !~ /^read committed/;
	foreach my $name (sort keys %scripts)
	{
		my $file = $node->basedir . "/${register}_$name.sql";

		append_to_file($file, join("\n",
				(map { "\\set $_ random(1, 12)" } 'd', 'e', 'f'), '\set seed random(1, 1000)',
				$scripts{$name} =~ s/REGISTER/$register/gr, ''));
		push @pgbench, "--file=$file\@" . ($weights{$name} // 2);
	}

	foreach my $zone ('America/New_York', 'Asia/Tokyo')
	{
		my $run = {};

		local $ENV{PGTZ} = $zone;
		local $ENV{PGOPTIONS} = '-c default_transaction_isolation=' . ($level =~ s/,.*//r =~ s/ /\\ /gr);
		$run->{handle} = IPC::Run::start([ @pgbench, $node->connstr('postgres') ],
			'>', \$run->{stdout}, '2>', \$run->{stderr});
		push @runs, $run;
	}
	foreach my $run (@runs)
	{
		$run->{handle}->finish;
		is($run->{handle}->result(0), 0, "$level: pgbench ends well") or diag($run->{stderr});
		$transactions += $1 if $run->{stdout} =~ /transactions actually processed: (\d+)/;
		$failed += $1 if $run->{stdout} =~ /failed transactions: (\d+)/;
		$retried += $1 if $run->{stdout} =~ /transactions retried: (\d+)/;
	}

	note("$level: $transactions transactions, " . ($retried // 0) . ' of them retried');
	cmp_ok($transactions, '>', 100, "$level: there were many transactions");
	is($failed, 0, "$level: none of them failed");
	is( $node->safe_psql('postgres',
			q{SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'}),
		0, "$level: no deadlocks");
	register_is_right($node, 'postgres', $register, $level);
	if ($high_write)
	{
		$node->safe_psql('postgres', "SELECT accum._delta_flush_register('$register')");
		is($node->safe_psql('postgres', "SELECT accum._delta_count('$register')"),
			0, "$level: no deltas are left");
		register_is_right($node, 'postgres', $register, "$level, folded");
	}
	return;
}
