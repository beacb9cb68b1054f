# AccumTest.pm - what the tests of registers on servers of their own share.

package AccumTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw(new_server register_is_right timed);

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
