# growth.pl - tables and indexes of a register with high_write do not grow for ever.
#
# Clients post to 50 cells as fast as they can, a background worker folds, autovacuum
# cleans up.  Cells and units are soon all there; from then on nothing but movements
# may grow: sizes of deltas, balance cache, totals and their indexes after the last
# two fifths of the run are compared with those after the first three.
#
# The run takes 40 seconds, or ACCUM_SECONDS, or an hour with ACCUM_LONG=1.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use List::Util qw(max);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{ACCUM_SECONDS} // ($ENV{ACCUM_LONG} ? 3600 : 40);
my $fifth = max(1, int($seconds / 5));
my $clients = 4;
# What deltas take up depends on how many come between two visits of autovacuum, and
# that on what else the machine has to do.
my $factor = 2;
my $slack = 1024;

my $node = new_server('growth', conf => q{
	shared_preload_libraries = 'pg_accumulator'
	pg_accumulator.delta_merge_interval = 200
	pg_accumulator.delta_merge_delay = 0
	autovacuum_naptime = 1s
	autovacuum_vacuum_cost_delay = 0
	max_wal_size = 1GB
});
my @roles = ('balance_cache_delta', 'balance_cache', 'totals_day', 'totals_month', 'totals_year');
my $script = PostgreSQL::Test::Utils::tempdir() . '/post.sql';
my (%sizes, $posted);

append_to_file($script, q{
\set cell random(1, 50)
\set day random(10, 19)
SELECT accum.register_post('fast', jsonb_build_object('recorder', 'd' || :client_id::integer,
	'period', '2001-01-' || :day::integer, 'cell', :cell::integer, 'n', :cell::integer - 25, 'amount', :cell::integer / 4.0));
});
$node->safe_psql('postgres', q{
	SELECT accum.register_create('fast', '{"cell": "integer"}', '{"n": "bigint", "amount": "numeric(18,2)"}',
		high_write => true)});

foreach my $part (1 .. 5)
{
	$posted += post();
	measure($part);
}
foreach my $role (@roles)
{
	foreach my $what ('table', 'indexes')
	{
		my @kb = @{ $sizes{"$role $what"} };

		cmp_ok(max(@kb[ 3, 4 ]), '<=', $factor * max(@kb[ 0 .. 2 ]) + $slack,
			"$role: $what level off, kB: @kb");
	}
}
ok($node->poll_query_until('postgres', q{SELECT accum._delta_count('fast') = 0}), 'all deltas are folded in the end');
is($node->safe_psql('postgres', q{SELECT count(*) FROM accum.fast_movements}), $posted, 'each post is there');
is($node->safe_psql('postgres', q{SELECT count(*) FROM accum.fast_balance_cache}), 50, 'all cells had posts');
is($node->safe_psql('postgres', q{SELECT worker_errors FROM accum.stat_registers WHERE name = 'fast'}), 0,
	'the worker had no errors');
register_is_right($node, 'postgres', 'fast', 'at the end');
# What is left can be used again: a vacuum makes the table of deltas as good as new.
$node->safe_psql('postgres', q{VACUUM accum.fast_balance_cache_delta});
is($node->safe_psql('postgres', q{SELECT pg_relation_size('accum.fast_balance_cache_delta')}), 0,
	'the table of deltas is empty after VACUUM');

$node->stop;
done_testing();

# Post for a fifth of the time; returns how many posts there were.
sub post
{
	my ($stdout, $stderr) = run_command([
		'pgbench', '--no-vacuum', "--client=$clients", "--time=$fifth", "--file=$script",
		'--protocol=prepared', '--host=' . $node->host, '--port=' . $node->port, 'postgres' ]);

	$stdout =~ /number of transactions actually processed: (\d+)/ or die "pgbench: $stdout $stderr";
	is($stderr =~ s/^pgbench \(.*\n//mr, '', 'no client had an error');
	return $1;
}

sub measure
{
	my ($part) = @_;

	foreach my $role (@roles)
	{
		my ($table, $indexes) = split /\|/, $node->safe_psql('postgres', qq{
			SELECT pg_table_size(r) / 1024, pg_indexes_size(r) / 1024
			FROM (SELECT 'accum.fast_$role'::regclass) AS role (r)});

		push @{ $sizes{"$role table"} }, $table;
		push @{ $sizes{"$role indexes"} }, $indexes;
	}
	note(sprintf('after %d s: %d posts, %s deltas pending; kB (table, indexes): %s', $part * $fifth, $posted,
		$node->safe_psql('postgres', q{SELECT accum._delta_count('fast')}),
		join ', ', map { "$_ $sizes{\"$_ table\"}[-1] $sizes{\"$_ indexes\"}[-1]" } @roles));
	return;
}
