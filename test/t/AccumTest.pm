# AccumTest.pm - what the tests of registers on servers of their own share.

package AccumTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw(new_server register_is_right session told session_end timed);

# A running server with the extension in its database postgres.
sub new_server
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', $options{conf}) if $options{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_accumulator') unless $options{bare};
	return $node;
}

# Test that everything derived from a register's movements is what GROUP BY over
# them makes of it, and that its map of documents leads to every movement.
sub register_is_right
{
	my ($node, $database, $register, $name) = @_;
	my $unit = $node->safe_psql($database,
		"SELECT partition_by FROM accum._registers WHERE name = '$register'");
	# The comparison is that of the regression tests, which set psql to echo.
	my $helpers = slurp_file('test/sql/helpers.psql') =~ s/^\\set ECHO .*$//mgr;

	is( $node->safe_psql($database, $helpers . qq{
		SELECT pg_temp.differences('$register');
		SELECT count(*)
		FROM (SELECT DISTINCT m.recorder,
				  date_trunc('$unit', m.period AT TIME ZONE r.time_zone)::date AS unit_start
			  FROM accum.${register}_movements m, accum._registers r WHERE r.name = '$register') m
			 LEFT JOIN accum.${register}_recorders map USING (recorder, unit_start)
		WHERE map.revision IS NULL;}),
		"0\n0", "$name: $register is what its movements add up to");
	return;
}

# A session of psql that stays, with arguments that say where; what it is told goes to
# {in}, what it says to {out}.
sub session
{
	my @connection = @_;
	my $session = { in => '', out => '' };

	$session->{run} = IPC::Run::start(
		[ 'psql', '--no-psqlrc', '--no-align', '--tuples-only', '--quiet', '--file=-', @connection ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{out},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $session;
}

# Tell a session what to do and wait until it says something; returns what is in parentheses.
# It has to be the result of a query: psql does not send what it echoes before it has more.
sub told
{
	my ($session, $sql, $answer) = @_;

	$session->{in} .= "$sql\n";
	$session->{run}->pump until $session->{out} =~ $answer || !$session->{run}->pumpable;
	$session->{out} =~ $answer or die "session says: $session->{out}";
	return $1;
}

sub session_end
{
	my ($session) = @_;

	$session->{in} .= "\\q\n";
	$session->{run}->finish;
	return;
}

# Run SQL and note how long it took; returns its output.
sub timed
{
	my ($node, $database, $what, $sql) = @_;
	my $start = time;
	my $result = $node->safe_psql($database, $sql);

	note(sprintf('%-60s %8.1f s', $what, time - $start));
	return $result;
}

1;
