# partitions.pl - twenty sessions that post into months without partitions, while
# others make partitions and move rows to them.
#
# Nobody may get an error or be in a deadlock, whatever they hold when they post: rows
# that they inserted into the default partition, or a read of it.  And whoever reads
# movements meanwhile never sees fewer of them than before.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 20;
my $months = 36;
my $posts = 40;    # of each session, after the first

my $node = new_server('partitions', conf => q{
shared_preload_libraries = 'pg_accumulator'
pg_accumulator.maintenance_interval = 100ms
pg_accumulator.partitions_ahead = 0
deadlock_timeout = 100ms
max_connections = 60
});
my @connection = ('--host=' . $node->host, '--port=' . $node->port, 'postgres');

$node->safe_psql('postgres', q{
	SELECT accum.register_create('busy', '{"cell": "integer"}', '{"n": "integer"}');
	SELECT accum.register_create('hot', '{"cell": "integer"}', '{"n": "integer"}', high_write => true);
	SELECT accum.register_create('idle', '{"cell": "integer"}', '{"n": "integer"}')});

foreach my $register ('busy', 'hot')
{
	post_at_once($register);
	check($register);
}
# From here on the worker waits until it is wanted.
$node->append_conf('postgresql.conf', 'pg_accumulator.maintenance_interval = 1h');
$node->restart;
old_snapshots_are_told();
lock_timeout_is_kept();
worker_moves_rows();
is($node->safe_psql('postgres', q{SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'}), 0,
	'there was no deadlock');
$node->stop;
done_testing();

# A file with a script for pgbench.
sub script
{
	my ($name, $text) = @_;
	my $file = $node->basedir . "/$name.pgbench";

	unlink $file;
	append_to_file($file, $text);
	return $file;
}

sub pgbench_start
{
	my ($output, @arguments) = @_;

	return IPC::Run::start([ 'pgbench', '--no-vacuum', @arguments, @connection ],
		'>', \$output->{stdout}, '2>', \$output->{stderr});
}

# What each of the sessions does: it holds something (of three kinds), waits for all
# others, posts one document with a line in each month, and commits.
sub post_at_once
{
	my ($register) = @_;
	my $line = qq{jsonb_build_object('recorder', 'd' || :client_id, 'cell', :client_id::integer, 'n', m,
		'period', timestamp '2001-01-15' + m * interval '1 month')};
	my $first = script("first_$register", qq{
\\set kind :client_id % 3
BEGIN;
\\if :kind = 0
INSERT INTO accum.${register}_movements (recorder, period, cell, n)
	SELECT 'i' || :client_id, timestamptz '2001-01-20 00:00Z' + (:client_id + i) % $months * interval '1 month', :client_id, 7
	FROM generate_series(1, 3) AS i;
\\elif :kind = 1
SELECT count(*) FROM accum.${register}_movements;
\\endif
SELECT pg_advisory_xact_lock_shared(1);
SELECT accum.register_post('$register', jsonb_agg($line)) FROM generate_series(0, $months - 1) AS m;
COMMIT;
});
	my $more = script("more_$register", qq{
\\set m random(0, $months - 1)
SELECT accum.register_post('$register', jsonb_build_object('recorder', 'd' || :client_id, 'cell', :client_id::integer, 'n', 3,
	'period', timestamp '2001-01-10' + :m * interval '1 month'));
\\set m random(0, 9)
\\if :m = 0
SELECT accum.register_repost('$register', 'r' || :client_id, jsonb_build_object('cell', :client_id::integer, 'n', 5,
	'period', timestamp '2001-01-10' + 3 * :client_id * interval '1 month'));
\\elif :m = 1
SELECT accum.register_unpost('$register', 'r' || :client_id);
\\endif
});
	my $keep = script("keep_$register", qq{
SELECT accum.register_create_partitions('$register', '0');
\\sleep 20 ms
});
	my $read = script("read_$register", qq{
SELECT count(*) AS n FROM accum.${register}_movements WHERE recorder LIKE 'd%' \\gset now_
\\if :now_n < :seen_n
SELECT 1 / 0 AS movements_were_missing;
\\endif
\\set seen_n :now_n
});
	my $gate = session(@connection);

	told($gate, q{SELECT 'gate ' || 'closed' FROM pg_advisory_lock(1);}, qr/(gate closed)/);
	my $run = pgbench_start(\my %first, "--client=$clients", '--transactions=1', "--file=$first");
	$node->poll_query_until('postgres',
		"SELECT count(*) = $clients FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
	  or die "$register: sessions do not come to the gate";
	told($gate, q{SELECT 'gate ' || 'open' FROM pg_advisory_unlock(1);}, qr/(gate open)/);
	session_end($gate);
	$run->finish;
	is(errors(\%first), '', "$register: no session has an error");

	# Then many more, while two others make partitions and two read all the time.
	my (%keep, %read);
	my $keeper = pgbench_start(\%keep, '--client=2', '--transactions=40', "--file=$keep");
	my $reader = pgbench_start(\%read, '--client=2', '--time=5', '--define=seen_n=0', "--file=$read");

	$run = pgbench_start(\my %more, "--client=$clients", "--transactions=$posts", "--file=$more");
	$run->finish;
	is(errors(\%more), '', "$register: no session has an error while partitions are made");
	$keeper->finish;
	is(errors(\%keep), '', "$register: those who make partitions have none");
	$reader->finish;
	is(errors(\%read), '', "$register: those who read miss no movement");
	return;
}

# What pgbench has to say beside its version.
sub errors
{
	my ($output) = @_;

	return $output->{stderr} =~ s/^pgbench \(.*\n//mr;
}

sub check
{
	my ($register) = @_;
	my $sums = qq{SELECT jsonb_agg(t ORDER BY t) FROM accum.${register}_turnover(group_by => '["cell"]') AS t};
	my $before = $node->safe_psql('postgres', $sums);
	my $ids = qq{SELECT md5(string_agg(id::text, ' ' ORDER BY id)) FROM accum.${register}_movements};
	my $before_ids = $node->safe_psql('postgres', $ids);

	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM accum.${register}_movements"), '>=',
		$clients * ($months + $posts), "$register: every movement is there");
	$node->safe_psql('postgres', "SELECT accum.register_create_partitions('$register', '0')");
	is($node->safe_psql('postgres', qq{SELECT count(*) FROM accum.${register}_movements
		WHERE tableoid::regclass::text <> 'accum.${register}_movements_' || to_char(period AT TIME ZONE 'UTC', 'YYYY_MM')}),
		0, "$register: every movement is in its partition");
	is($node->safe_psql('postgres', $sums), $before, "$register: sums are what they were");
	is($node->safe_psql('postgres', $ids), $before_ids, "$register: movements are what they were");
	is($node->safe_psql('postgres', "SELECT DISTINCT status FROM accum.register_verify('$register')"), 'OK',
		"$register: verify is clean");
	register_is_right($node, 'postgres', $register, 'in the end');
	return;
}

# A transaction whose snapshot is older than a move is told to try again, where it
# would otherwise miss rows.
sub old_snapshots_are_told
{
	my @asked = (
		q{SELECT accum.register_unpost('idle', 'x')},
		q{SELECT accum.register_repost('idle', 'x', '[]')},
		q{SELECT accum.idle_balance('{"cell": 1}', '1999-05-05 13:00Z')},
		q{SELECT accum.idle_balance('{}', '1999-05-05 13:00Z')},
		q{SELECT accum.idle_turnover('1999-05-05 01:00Z', '1999-05-05 13:00Z')},
		q{SELECT * FROM accum.idle_statement('1999-05-05 01:00Z', '1999-05-05 13:00Z')},
	);

	foreach my $i (0 .. $#asked)
	{
		my $year = 1999 + $i;
		my $ask = $asked[$i] =~ s/1999/$year/gr;
		my $old = session(@connection);

		# Beside the row that moves there is one that does not.
		$node->safe_psql('postgres', qq{SELECT accum.register_unpost('idle', 'x');
			INSERT INTO accum.idle_movements (recorder, period, cell, n)
			VALUES ('x', '$year-05-05 12:00Z', 1, 1), ('x', now(), 1, 1)});
		told($old, q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'snap' || 'shot' FROM pg_class LIMIT 1;},
			qr/(snapshot)/);
		$node->safe_psql('postgres', q{SELECT accum.register_create_partitions('idle', '0')});
		is(told($old, "$ask;\n\\set state :SQLSTATE\nROLLBACK;\nSELECT 'state ' || :'state';", qr/^state (\S+)$/m), '40001',
			"an older snapshot gets a serialization failure: $ask");
		is(told($old, "BEGIN ISOLATION LEVEL REPEATABLE READ;\n$ask;\n\\set state :SQLSTATE\nCOMMIT;\nSELECT 'again ' || :'state';", qr/^again (\S+)$/m),
			'00000', "a retry works: $ask");
		session_end($old);
	}
	register_is_right($node, 'postgres', 'idle', 'after older snapshots');
	return;
}

# Who cannot have the lock in time is told so, and nothing is done.
sub lock_timeout_is_kept
{
	my $holder = session(@connection);

	$node->safe_psql('postgres', q{INSERT INTO accum.idle_movements (recorder, period, cell, n) VALUES ('y', '1980-05-05', 1, 1)});
	told($holder, q{BEGIN; SELECT 'held ' || count(*) FROM accum.idle_movements_default;}, qr/(held \d)/);
	my ($code, undef, $stderr) = $node->psql('postgres',
		q{\set VERBOSITY sqlstate
		SET lock_timeout = '100ms';
		SELECT accum.register_create_partitions('idle', '0')});
	like($stderr, qr/55P03/, 'a lock that is not to be had in time is error 55P03');
	is(told($holder, q{SELECT 'read ' || count(*) FROM accum.idle_movements WHERE recorder = 'y'; COMMIT;}, qr/read (\d+)/), 1,
		'the session that was waited for goes on');
	session_end($holder);
	return;
}

# Rows move without anybody asking for it.
sub worker_moves_rows
{
	$node->append_conf('postgresql.conf', 'pg_accumulator.maintenance_interval = 100ms');
	$node->reload;
	$node->safe_psql('postgres', q{INSERT INTO accum.idle_movements (recorder, period, cell, n)
		SELECT 'w', timestamptz '1985-01-05 00:00Z' + i * interval '1 month', 2, i FROM generate_series(1, 50) AS i});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM accum.idle_movements_default}),
		'the worker empties the default partition');
	is($node->safe_psql('postgres', q{SELECT count(DISTINCT tableoid) FROM accum.idle_movements WHERE recorder = 'w'}), 50,
		'each row is in a partition of its own');
	register_is_right($node, 'postgres', 'idle', 'after the worker');
	return;
}
