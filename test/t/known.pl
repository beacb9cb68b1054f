# known.pl - what was known of a register with history, at any moment.
#
# Four sessions post, correct and cancel documents in transactions that overlap, with
# savepoints, some rolled back.  After each step the clock is read.  Beside them a log is
# kept that does not look at the register: what each step changes, and at which step it
# was recorded, which is that of its transaction's first write; and a later one where a
# document is changed that somebody else has changed since.  In the end the register
# must answer, for random dates and moments, what the log says.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($steps, $documents, $cells, $days) = (500, 25, 3, 20);
my $node = new_server('known', conf => "max_prepared_transactions = 2\n");

$node->safe_psql('postgres', qq{
	CREATE TABLE log (day date, cell int, n int, step int, counted int);
	CREATE TABLE ticks (step int, at timestamptz);
	SELECT accum.register_create('k', '{"cell": "int"}', '{"n": "int"}', history => true,
		high_write => true, partition_by => 'year');
	-- Partition and cells are there: from now on nobody waits for anybody.
	SELECT accum.register_post('k', (SELECT jsonb_agg(jsonb_build_object('recorder', 'first',
		'period', '2020-01-01', 'cell', c, 'n', 0)) FROM generate_series(1, $cells) AS c));});

my @connection = ('--dbname=' . $node->connstr('postgres'));
my @sessions = map { { psql => session(@connection), number => $_ } } 1 .. 4;
my $clock = session(@connection);
my (%documents, @log, @ticks, @final);
my $step = 0;

# Run statements in a session; the last one says something.
sub run
{
	my ($session, $sql) = @_;
	my $mark = 'done' . ++$session->{statements};

	return told($session->{psql}, "$sql\nSELECT '$mark.';", qr/((?:.*\n)*)$mark\.\n/);
}

sub tick
{
	my $mark = "tick$step";

	$ticks[$step] = told($clock, "SELECT '$mark ' || clock_timestamp();", qr/$mark (.*)\n/);
	return;
}

sub lines
{
	my ($n) = @_;

	return map { { day => 1 + int(rand($days)), cell => 1 + int(rand($cells)), n => int(rand(19)) - 9 } } 1 .. $n;
}

sub as_json
{
	my ($name, @lines) = @_;

	return '[' . join(', ', map {
		sprintf('{"recorder": "%s", "period": "2020-01-%02d 10:00", "cell": %d, "n": %d}',
			$name, $_->{day}, $_->{cell}, $_->{n}) } @lines) . ']';
}

# The transaction records something about a document: when?
sub record
{
	my ($session, $document, $corrects) = @_;

	$session->{at} = $step
	  if !defined $session->{at} || ($corrects && $document->{recorded} > $session->{at});
	return;
}

sub log_change
{
	my ($session, $document, $line, $sign, $day) = @_;
	my $at = $session->{at};
	my $counted = $sign < 0 && $day == $line->{day} ? -1 : 1;

	push @{ $session->{changes} }, [ $day, $line->{cell}, $sign * $line->{n}, $at, $counted ];
	$document->{recorded} = $at if $at > $document->{recorded};
	return;
}

sub copy_of
{
	my ($document, %other) = @_;

	return { %$document, lines => [ @{ $document->{lines} } ], %other };
}

# How many of these lines are there, by what is in them?
sub numbers
{
	my %numbers;

	$numbers{"$_->{day} $_->{cell} $_->{n}"}++ foreach @_;
	return %numbers;
}

# The lines that are not among these numbers; each answers for one.
sub others
{
	my ($numbers, @lines) = @_;

	return grep { ($numbers->{"$_->{day} $_->{cell} $_->{n}"}-- // 0) <= 0 } @lines;
}

sub act
{
	my ($session) = @_;
	my @free = grep { !defined $documents{$_}{holder} || $documents{$_}{holder} == $session->{number} }
	  map { "d$_" } 1 .. $documents;
	my $name = $free[ rand @free ];
	my $document = $documents{$name};
	my $what = rand;

	# What it is if the transaction is rolled back.
	$session->{originals}{$name} = copy_of($document) if !defined $document->{holder};
	$document->{holder} = $session->{number};
	if ($what < 0.4 || !$document->{known})
	{
		my @new = lines(1 + int(rand(3)));

		run($session, "SELECT accum.register_post('k', '" . as_json($name, @new) . "');");
		record($session, $document, 0);
		log_change($session, $document, $_, 1, $_->{day}) foreach @new;
		push @{ $document->{lines} }, @new;
		$document->{known} = 1;
		return;
	}

	record($session, $document, 1);
	if ($what < 0.7)
	{
		my @old = @{ $document->{lines} };
		my @kept = grep { rand() < 0.6 } @old;
		my @new = lines(int(rand(2)));
		my %left;

		run($session, "SELECT accum.register_repost('k', '$name', '" . as_json($name, @kept, @new) . "');");
		# A line that comes back as it was stays, also if it is another one.
		my %wanted = numbers(@kept, @new);
		my @gone = others(\%wanted, @old);
		my %is_gone = map { $_ => 1 } @gone;
		my @stay = grep { !$is_gone{$_} } @old;
		my %stored = numbers(@stay);
		my @added = map { {%$_} } others(\%stored, @kept, @new);

		log_change($session, $document, $_, -1, $_->{day}) foreach @gone;
		log_change($session, $document, $_, 1, $_->{day}) foreach @added;
		$document->{lines} = [ @stay, @added ];
		return;
	}

	my $day = $what < 0.85 ? undef : $days + 1 + int(rand(5));

	run($session, "SELECT accum.register_unpost('k', '$name'" .
		(defined $day ? sprintf(", '2020-01-%02d 10:00'", $day) : '') . ");");
	log_change($session, $document, $_, -1, $day // $_->{day}) foreach @{ $document->{lines} };
	$document->{lines} = [];
	return;
}

# Let documents that the session holds be what they were.
sub restore
{
	my ($session, $copies) = @_;

	foreach my $name (grep { ($documents{$_}{holder} // 0) == $session->{number} } keys %documents)
	{
		$documents{$name} = copy_of($copies->{$name}, holder => $session->{number});
	}
	return;
}

sub finish
{
	my ($session, $commits) = @_;

	run($session, $commits ? 'COMMIT;' : 'ROLLBACK;');
	push @log, @{ $session->{changes} } if $commits;
	restore($session, $session->{originals}) unless $commits;
	$session->{open} = 0;
	$_->{holder} = undef foreach grep { ($_->{holder} // 0) == $session->{number} } values %documents;
	return;
}

srand(20200101);
%documents = map { ("d$_" => { lines => [], recorded => 0 }) } 1 .. $documents;
tick();
while ($step < $steps)
{
	my $session = $sessions[ rand @sessions ];

	$step++;
	if (!$session->{open})
	{
		run($session, 'BEGIN;');
		@$session{qw(open at changes originals)} = (1, undef, [], {});
	}
	elsif (rand() < 0.15)
	{
		my $at = $session->{at};
		my @changes = @{ $session->{changes} };
		my %copies = map { $_ => copy_of($documents{$_}) } keys %documents;

		run($session, 'SAVEPOINT s;');
		act($session);
		if (rand() < 0.6)
		{
			run($session, 'ROLLBACK TO s;');
			@$session{qw(at changes)} = ($at, \@changes);
			restore($session, \%copies);
		}
		run($session, 'RELEASE s;');
	}
	elsif (rand() < 0.3)
	{
		finish($session, rand() < 0.8);
	}
	else
	{
		act($session);
	}
	tick();
	next if $step % 50 != 0;

	# Nobody is writing: what is answered now is final.
	finish($_, 1) foreach grep { $_->{open} } @sessions;
	push @final, $node->safe_psql('postgres', q{
		SELECT format('SELECT accum.k_balance(''{"cell": %s}'', known_at => %L) = %L', c, u,
					  accum.k_balance(jsonb_build_object('cell', c), known_at => u))
		FROM accum.register_known_until('k') AS u, generate_series(1, 3) AS c});
}
session_end($_->{psql}) foreach @sessions;
session_end($clock);

my $data = join('', map { "($_->[3], " . sprintf("'2020-01-%02d'", $_->[0]) . ", $_->[1], $_->[2], $_->[4])," } @log) =~ s/,$//r;
my $moments = join(',', map { "($_, '$ticks[$_]')" } 0 .. $#ticks);
$node->safe_psql('postgres', qq{INSERT INTO log (step, day, cell, n, counted) VALUES $data;
	INSERT INTO ticks VALUES $moments;});
register_is_right($node, 'postgres', 'k', 'in the end');
is( $node->safe_psql('postgres', q{SELECT (SELECT sum(n) FROM log) = (accum.k_balance() ->> 'n')::int}),
	't', 'the log and the register agree on the balance');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM accum.k_movements WHERE reverses IS NOT NULL}),
	'>', 100, 'many movements were reversed');

is( $node->safe_psql('postgres', q{SELECT setseed(0.3); SELECT count(*), count(*) FILTER (WHERE found <> expected), count(DISTINCT expected) > 50
	FROM (SELECT accum.k_balance(filter, day, at) AS found,
				 (SELECT jsonb_build_object('n', coalesce(sum(l.n), 0)) FROM log l
				  WHERE l.step <= t.step AND l.day <= t.day AND (filter = '{}' OR l.cell = (filter ->> 'cell')::int)) AS expected
		  FROM (SELECT step, at, date '2020-01-01' + floor(random() * 27)::int AS day,
					   CASE WHEN random() < 0.5 THEN jsonb_build_object('cell', 1 + floor(random() * 3)::int) ELSE '{}' END AS filter
				FROM (SELECT floor(random() * 501)::int AS step FROM generate_series(1, 1000)) p JOIN ticks USING (step)) t) y}) =~ s/^\n//r,
	"1000|0|t", 'balances at 1000 dates and moments are what the log says');
is( $node->safe_psql('postgres', q{SELECT setseed(0.4); SELECT count(*), count(*) FILTER (WHERE found IS DISTINCT FROM expected), count(DISTINCT expected) > 100
	FROM (SELECT (SELECT jsonb_agg(f) FROM accum.k_turnover(from_day, to_day, group_by => '["cell"]', known_at => at) AS f) AS found,
				 (SELECT jsonb_agg(jsonb_build_object('cell', cell, 'n', n) ORDER BY cell)
				  FROM (SELECT l.cell, sum(l.n) AS n FROM log l WHERE l.step <= t.step AND l.day BETWEEN from_day AND to_day
						GROUP BY l.cell HAVING sum(counted) > 0) g) AS expected
		  FROM (SELECT step, at, date '2020-01-02' + a AS from_day, date '2020-01-02' + a + b AS to_day
				FROM (SELECT floor(random() * 501)::int AS step, floor(random() * 25)::int AS a, floor(random() * 8)::int AS b
					  FROM generate_series(1, 300)) p JOIN ticks USING (step)) t) y}) =~ s/^\n//r,
	"300|0|t", 'turnovers of 300 ranges and moments are what the log says');
is( $node->safe_psql('postgres', join("\n", map { s/$/;/mgr } @final)) =~ s/\n//gr,
	't' x 30, 'what was final has stayed so');

# Prepared transactions are writers, too.
$node->safe_psql('postgres', q{BEGIN;
	SELECT accum.register_post('k', '{"recorder": "last", "period": "2020-01-01", "cell": 1, "n": 1}');
	PREPARE TRANSACTION 'known';});
my ($result, $stdout, $stderr) = $node->psql('postgres', q{SET lock_timeout = '10ms';
	SELECT accum.register_known_until('k')});
like($stderr, qr/canceling statement due to lock timeout/, 'a prepared transaction is waited for');
$node->safe_psql('postgres', q{COMMIT PREPARED 'known'});
is( $node->safe_psql('postgres', q{SELECT accum.register_known_until('k') > max(recorded_at) FROM accum.k_movements}),
	't', 'and is final once it has ended');
$node->stop;
done_testing();
