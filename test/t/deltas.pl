# deltas.pl - the balance of some cells while deltas of all come and go.
#
# Whether a cell has deltas is looked up in the pages of their index by our own code
# (delta_probe.c).  Here these pages split, empty and go: some sessions post to many
# cells, others fold, vacuum and rebuild the index.  Meanwhile the balance of some cells
# has to be what their movements add up to in the same snapshot.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $transactions = $ENV{ACCUM_LONG} ? 5000 : 150;
my $node = new_server('deltas', conf => "autovacuum = off\nmax_connections = 40\n");
my $index = 'accum.hot_balance_cache_delta_dim_hash_idx';

# 200 by 200 cells.  What nobody has folded yet makes an index of three levels, its
# leaves nearly empty.
$node->safe_psql('postgres', qq{
	CREATE EXTENSION pageinspect;
	SELECT accum.register_create('hot', '{"a": "int", "b": "int"}', '{"n": "int"}', high_write => true);
	INSERT INTO accum.hot_movements (recorder, period, a, b, n)
		SELECT 'first', '2026-01-05', i / 200, i % 200, 1 FROM generate_series(0, 39999) AS i;
	ALTER INDEX $index SET (fillfactor = 10);
	REINDEX INDEX $index;
	ANALYZE;});
is($node->safe_psql('postgres', "SELECT level FROM bt_metap('$index')"), 2, 'the index has three levels');

my %scripts = (
	post => q{\set seed random(1, 1000000000)
		SELECT accum.register_post('hot', (
			SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || :seed, 'period', date '2026-01-01' + i,
				'a', hash % 200, 'b', hash / 200 % 200, 'n', hash % 7))
			FROM generate_series(0, 39) AS i, abs(hashint4extended(i, :seed) % 1000000) AS hash));},
	# Some cells have deltas, some had, and those with the last ten values of a are none.
	read => q{\set a random(0, 210)
		\set b random(0, 199)
		SELECT 1 / (accum.hot_balance(jsonb_build_object('a', :a)) ->> 'n'
			= (SELECT coalesce(sum(n), 0)::text FROM accum.hot_movements WHERE a = :a))::integer;
		SELECT 1 / (accum.hot_balance(jsonb_build_object('a', :a, 'b', :b)) ->> 'n'
			= (SELECT coalesce(sum(n), 0)::text FROM accum.hot_movements WHERE a = :a AND b = :b))::integer;},
	fold => q{SELECT accum._delta_merge_register('hot', '0 seconds', 3000);
		VACUUM accum.hot_balance_cache_delta;},
	rebuild => qq{\\sleep 50 ms\nREINDEX INDEX CONCURRENTLY $index;});

foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	my @runs = map { start($level, @$_) }
	  ([ 'post', 3, $transactions ], [ 'read', 3, $transactions ], [ 'fold', 1, $transactions / 5 ],
		[ 'rebuild', 1, $transactions / 15 ]);

	foreach my $run (@runs)
	{
		$run->{handle}->finish;
		is($run->{handle}->result(0), 0, "$run->{name} at $level: pgbench ends well") or diag($run->{stderr});
		like($run->{stdout}, qr/number of failed transactions: 0 /, "$run->{name} at $level: none failed");
	}
	is( $node->safe_psql('postgres', q{
			SELECT dim_hash FROM accum.hot_balance_cache_delta
			EXCEPT SELECT unnest(accum._cells_with_deltas('accum.hot_movements', ARRAY(SELECT dim_hash FROM accum.hot_balance_cache)))}),
		'', "$level: no cell that has deltas is left out");
}
$node->safe_psql('postgres', q{SELECT accum._delta_flush_register('hot'); VACUUM accum.hot_balance_cache_delta;});
is( $node->safe_psql('postgres', q{
		SELECT accum._cells_with_deltas('accum.hot_movements', ARRAY(SELECT dim_hash FROM accum.hot_balance_cache))}),
	'{}', 'when all are folded and vacuumed away none is left');
register_is_right($node, 'postgres', 'hot', 'at the end');

$node->stop;
done_testing();

# Clients of pgbench that repeat a script.
sub start
{
	my ($level, $name, $clients, $times) = @_;
	my $file = $node->basedir . "/$name.sql";
	my $run = { name => $name };
	my @retries = $level eq 'read committed' || $name eq 'fold' || $name eq 'rebuild' ? () : ('--max-tries=10000');

	unlink $file;
	append_to_file($file, "$scripts{$name}\n");
	# What runs in no transaction cannot be repeated in one.
	local $ENV{PGOPTIONS} = '-c default_transaction_isolation='
	  . ((@retries ? $level : 'read committed') =~ s/ /\\ /gr);
	$run->{handle} = IPC::Run::start(
		[ 'pgbench', '--no-vacuum', "--transactions=" . int($times), "--client=$clients", '--jobs=1',
			'--random-seed=7', '--failures-detailed', @retries, "--file=$file", $node->connstr('postgres') ],
		'>', \$run->{stdout}, '2>', \$run->{stderr});
	return $run;
}
