# contention.pl - 16 sessions, 25 documents, 20 cells.
#
# pgbench sessions post, repost, cancel and roll back, in standard mode, in
# high_write, and in high_write while others fold all the time, at two isolation
# levels.  Others read meanwhile, and see what movements add up to in every snapshot.
#
# Each transaction writes into plain tables what it has done.  Afterwards every
# document has to have exactly the movements that this says.  Reposts and unposts of
# a document queue up, so their order is known; a post runs beside them, and whether
# it came before or after is told by snapshots: what a repost could see when it
# began must be gone, and what began when the repost had committed must be there.
#
# ACCUM_SECONDS says how long each run takes; ACCUM_LONG=1 makes it a minute.

use strict;
use warnings;

use lib 'test/t';
use AccumLoad;
use AccumTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{ACCUM_SECONDS} // ($ENV{ACCUM_LONG} ? 60 : 3);
my $node = new_server('contention', conf => load_settings());

load_prepare($node);
$node->safe_psql('postgres', q{
	CREATE TABLE documents (
		register text, document text, version bigint NOT NULL, last_call bigint NOT NULL,
		PRIMARY KEY (register, document)
	) WITH (fillfactor = 50);
	-- The snapshot is the one before the call.
	CREATE TABLE calls (
		register text, document text, call bigint, kind text NOT NULL,
		xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
		snapshot pg_snapshot NOT NULL DEFAULT pg_current_snapshot(),
		PRIMARY KEY (register, document, call));

	CREATE FUNCTION wrong_documents(register_name text) RETURNS SETOF text LANGUAGE sql
	BEGIN ATOMIC
		WITH stored AS MATERIALIZED (SELECT * FROM calls_stored(register_name)),
			last AS (
				SELECT c.* FROM documents AS d JOIN calls AS c USING (register, document)
				WHERE d.register = register_name AND c.call = d.last_call),
			judged AS (
				SELECT c.document, c.call, c.kind,
					   s.call IS NOT NULL AS is_there,
					   CASE WHEN c.call = last.call THEN c.kind = 'repost'
							WHEN c.kind <> 'post' THEN false
							WHEN pg_visible_in_snapshot(c.xid, last.snapshot) THEN false
							WHEN pg_visible_in_snapshot(last.xid, c.snapshot) THEN true
					   END AS must_be_there
				FROM calls AS c
					 JOIN last USING (document)
					 LEFT JOIN stored AS s ON s.document = c.document AND s.call = c.call
				WHERE c.register = register_name)
		SELECT format('%s %s of %s is %sthere', kind, call, document, CASE WHEN is_there THEN '' ELSE 'not ' END)
		FROM judged WHERE is_there <> must_be_there
		UNION ALL
		SELECT format('call %s of %s is there in part', call, document) FROM stored WHERE NOT whole
		UNION ALL
		SELECT format('call %s of %s was rolled back or never made', call, document)
		FROM stored AS s
		WHERE NOT EXISTS (SELECT FROM calls AS c
						  WHERE c.register = register_name AND c.document = s.document AND c.call = s.call);
	END;});

my $note = q{INSERT INTO calls (register, document, call, kind) SELECT DISTINCT 'REGISTER', d, :call, '%s'
	FROM unnest(ARRAY[%s]) AS d;};
my $version = q{UPDATE documents SET version = version + 1, last_call = :call
	WHERE register = 'REGISTER' AND document = ANY (ARRAY[%s]);};
my ($d, $e, $f) = map { "'d' || :$_" } 'd', 'e', 'f';
my %scripts = (
	post => [ 6, sprintf($note, 'post', $d), "SELECT accum.register_post('REGISTER', lines($d, :call));" ],
	post_many => [ 2, sprintf($note, 'post', "$d, 'd' || :d % 25 + 1"),
		"SELECT accum.register_post('REGISTER', lines($d, :call) || lines('d' || :d % 25 + 1, :call));" ],
	repost => [ 5, sprintf($note, 'repost', $d),
		"SELECT accum.register_repost('REGISTER', $d, lines($d, :call));", sprintf($version, $d) ],
	unpost => [ 3, sprintf($note, 'unpost', $d),
		"SELECT accum.register_unpost('REGISTER', $d);", sprintf($version, $d) ],
	unpost_many => [ 1, sprintf($note, 'unpost', "$d, $e, $f"),
		"SELECT accum.register_unpost('REGISTER', ARRAY[$d, $e, $f]);", sprintf($version, "$d, $e, $f") ],
	post_rollback => [ 2, sprintf($note, 'post', $d),
		"SELECT accum.register_post('REGISTER', lines($d, :call));", 'ROLLBACK;', 'BEGIN;' ],
	repost_rollback => [ 1, "SELECT accum.register_repost('REGISTER', $d, lines($d, :call));",
		'ROLLBACK;', 'BEGIN;' ],
	savepoint => [ 2, 'SAVEPOINT s;', "SELECT accum.register_repost('REGISTER', $d, lines($d, -:call));",
		'ROLLBACK TO s;', sprintf($note, 'post', $e),
		"SELECT accum.register_post('REGISTER', lines($e, :call));" ],
	# An answer that is not the sum divides by zero, which ends the session.  What is
	# compared needs one snapshot, and one that is older than the plan: PostgreSQL itself
	# overlooks a partition that is attached while a query is planned.
	read => [ 1, 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;',
		q{SELECT 1 / (accum.REGISTER_balance() ->> 'n' = (SELECT coalesce(sum(n), 0)::text
			FROM accum.REGISTER_movements))::integer;
		SELECT 1 / (accum.REGISTER_balance('{"item": 3}') ->> 'n' = (SELECT coalesce(sum(n), 0)::text
			FROM accum.REGISTER_movements WHERE item = 3))::integer;
		SELECT 1 / (accum.REGISTER_balance('{"item": 3}', date '1990-06-15') ->> 'amount'
			= (SELECT coalesce(sum(amount), 0)::numeric(18,2)::text FROM accum.REGISTER_movements
			   WHERE item = 3 AND period < '1990-06-16Z'))::integer;
		SELECT 1 / ((SELECT sum(n) FROM accum.REGISTER_balances)
			= (SELECT sum(n) FROM accum.REGISTER_movements))::integer;} ]);
my %folds = (
	merge => [ 3, "SELECT accum._delta_merge_register('REGISTER', '0 seconds', 100);" ],
	merge_old => [ 1, "SELECT accum._delta_merge_register('REGISTER', '50 milliseconds');" ],
	flush => [ 1, "SELECT accum._delta_flush_register('REGISTER');" ],
	force => [ 1, 'SELECT accum._force_delta_merge();' ]);

foreach my $level ('read committed', 'repeatable read')
{
	run("standard at $level", $level, 0, 0);
	run("high_write at $level", $level, 1, 0);
	run("high_write with folds at $level", $level, 1, 1);
}
checks_notice('high_write_at_read_committed');

$node->stop;
done_testing();

# One pgbench over some scripts.
sub start
{
	my ($register, $level, $clients, $scripts) = @_;
	my @pgbench = ('pgbench', '--no-vacuum', "--time=$seconds", "--client=$clients", '--jobs=1',
		'--random-seed=11', '--failures-detailed');
	my $run = {};

	# While there is time, a retry has to work.
	push @pgbench, '--max-tries=0' if $level ne 'read committed';
	foreach my $name (sort keys %$scripts)
	{
		my ($weight, @statements) = @{ $scripts->{$name} };
		my $file = $node->basedir . "/${register}_$name.sql";

		append_to_file($file, join("\n", '\set call random(1000, 1000000000000000)',
				(map { "\\set $_ random(1, 25)" } 'd', 'e', 'f'), 'BEGIN;', @statements, 'COMMIT;', '')
			  =~ s/REGISTER/$register/gr);
		push @pgbench, "--file=$file\@$weight";
	}
	local $ENV{PGOPTIONS} = '-c default_transaction_isolation=' . ($level =~ s/ /\\ /gr);
	$run->{handle} = IPC::Run::start([ @pgbench, $node->connstr('postgres') ],
		'>', \$run->{stdout}, '2>', \$run->{stderr});
	return $run;
}

sub run
{
	my ($name, $level, $high_write, $folds) = @_;
	my $register = $name =~ tr/ /_/r;
	my @runs;

	$register =~ tr/ /_/;
	load_register($node, $register, $high_write);
	# Every document is known from the beginning.
	$node->safe_psql('postgres', qq{
		INSERT INTO calls (register, document, call, kind)
		SELECT '$register', 'd' || i, i, 'repost' FROM generate_series(1, 25) AS i;
		INSERT INTO documents SELECT '$register', 'd' || i, 1, i FROM generate_series(1, 25) AS i;
		SELECT accum.register_repost('$register', 'd' || i, lines('d' || i, i))
		FROM generate_series(1, 25) AS i;});

	push @runs, start($register, $level, 16, \%scripts);
	push @runs, start($register, $level, 2, \%folds) if $folds;
	foreach my $run (@runs)
	{
		my ($done, $retried);

		$run->{handle}->finish;
		is($run->{handle}->result(0), 0, "$name: pgbench ends well") or diag($run->{stderr});
		like($run->{stdout}, qr/number of failed transactions: 0 /, "$name: no transaction failed")
		  or diag($run->{stdout});
		($done) = $run->{stdout} =~ /transactions actually processed: (\d+)/;
		($retried) = $run->{stdout} =~ /transactions retried: (\d+)/;
		note("$name: $done transactions, " . ($retried // 0) . ' of them retried');
		cmp_ok($done, '>', 50, "$name: there were many transactions");
	}

	is($node->safe_psql('postgres', q{SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'}),
		0, "$name: no deadlocks");
	is($node->safe_psql('postgres', "SELECT * FROM wrong_documents('$register')"),
		'', "$name: documents have the movements of their calls");
	note(join ', ', "$name", $node->safe_psql('postgres', qq{
		SELECT format('%s calls, %s partitions, %s movements, %s deltas pending',
			(SELECT count(*) FROM calls WHERE register = '$register'),
			(SELECT count(*) FROM pg_inherits WHERE inhparent = 'accum.${register}_movements'::regclass),
			(SELECT count(*) FROM accum.${register}_movements), accum._delta_count('$register'))}));
	derived_is_right($node, $register, $name);
	if ($high_write)
	{
		$node->safe_psql('postgres', "SELECT accum._delta_flush_register('$register')");
		is($node->safe_psql('postgres', "SELECT accum._delta_count('$register')"),
			0, "$name: all deltas can be folded");
		derived_is_right($node, $register, "$name, folded");
	}
	register_is_right($node, 'postgres', $register, $name) unless $high_write;
	return;
}

# Test that the checks above would notice a movement too few.  It is one of a call that
# has others: of most calls that were under way at the same time nobody knows which came
# last, and all of their movements may be gone.
sub checks_notice
{
	my ($register) = @_;
	my $loss = "DELETE FROM accum.${register}_movements
		WHERE id = (SELECT min(id::text)::uuid FROM accum.${register}_movements
					GROUP BY recorder, call HAVING count(*) > 1 LIMIT 1)";

	is($node->safe_psql('postgres', qq{
		BEGIN; $loss;
		SELECT count(*) > 0 FROM wrong_documents('$register');
		SELECT differences('$register'); ROLLBACK;}),
		"t\n0", 'a document that has lost a movement is noticed');
	is($node->safe_psql('postgres', qq{
		BEGIN; SET LOCAL session_replication_role = replica; $loss;
		SELECT differences('$register') > 0; ROLLBACK;}),
		't', 'a sum that is not right is noticed');
	return;
}
