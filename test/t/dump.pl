# dump.pl - a register survives pg_dump and pg_restore.
#
# Movements, derived tables and the registry go over as data, and nothing is
# counted twice on the way.  In the new database every OID is another one, of the
# enum's labels as well; a post still comes to the cell that it came to before.

use strict;
use warnings;

use lib 'test/t';
use AccumMoved;
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('dump');
my $dumps = $node->basedir;

make_registers($node);
my @registers = moved_registers();
my $before = remember($node, 'postgres');

foreach my $way (
	[ 'plain', [ '--format=plain', "--file=$dumps/plain" ], undef ],
	[ 'custom', [ '--format=custom', "--file=$dumps/custom" ], ["$dumps/custom"] ],
	[ 'parallel', [ '--format=directory', '--jobs=3', "--file=$dumps/parallel" ],
		[ '--jobs=3', "$dumps/parallel" ] ])
{
	my ($name, $dump, $restore) = @$way;

	# Its own OIDs: those of the first database are in use by then.
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->command_ok([ 'pg_dump', @$dump, $node->connstr('postgres') ], "$name: pg_dump");
	$node->command_ok(
		$restore
		? [ 'pg_restore', '--exit-on-error', '--dbname=' . $node->connstr($name), @$restore ]
		: [
			'psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1',
			'--dbname=' . $node->connstr($name), "--file=$dumps/plain"
		],
		"$name: restore");
	came_along($node, $name, $before);
	isnt(
		$node->safe_psql($name, q{SELECT 'accum.stock_movements'::regclass::oid}),
		$node->safe_psql('postgres', q{SELECT 'accum.stock_movements'::regclass::oid}),
		"$name: OIDs are others");
}

in_two_parts();
one_register();
another_seed();

# The second generation: a dump of what was restored is the same.
$node->safe_psql('postgres', 'CREATE DATABASE again');
$node->command_ok(
	[ 'pg_dump', '--format=custom', "--file=$dumps/again", $node->connstr('parallel') ],
	'again: pg_dump of a restored database');
$node->command_ok(
	[ 'pg_restore', '--exit-on-error', '--dbname=' . $node->connstr('again'), "$dumps/again" ],
	'again: restore');
register_is_right($node, 'again', $_, 'again') foreach @registers;

$node->stop;
done_testing();

# Tables first and data later, without which no trigger may count what is there already.
sub in_two_parts
{
	my $psql = sub {
		my ($file) = @_;
		return [ 'psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--dbname=' . $node->connstr('apart'), "--file=$dumps/$file" ];
	};

	$node->safe_psql('postgres', 'CREATE DATABASE apart');
	$node->command_ok([ 'pg_dump', '--schema-only', "--file=$dumps/schema", $node->connstr('postgres') ], 'apart: pg_dump --schema-only');
	$node->command_ok([ 'pg_dump', '--data-only', '--disable-triggers', "--file=$dumps/data", $node->connstr('postgres') ],
		'apart: pg_dump --data-only --disable-triggers');
	$node->command_ok([ 'pg_dump', '--data-only', '--table=accum.stock_*', "--file=$dumps/counted", $node->connstr('postgres') ], 'apart: pg_dump --data-only');
	$node->command_ok($psql->('schema'), 'apart: tables');
	$node->command_fails_like($psql->('counted'), qr/Direct modification of derived table is not allowed/,
		'apart: data with triggers are refused');
	$node->command_ok($psql->('data'), 'apart: data');
	came_along($node, 'apart', $before);
	return;
}

# A single register moves as its definition and its movements; the new one has a seed of its
# own, and cells with other hashes.
sub one_register
{
	my $columns = 'recorder, period, movement_type, product, quality, lot, n, amount, note';

	$node->safe_psql('postgres', 'CREATE DATABASE moved');
	$node->safe_psql('moved', q{
		CREATE EXTENSION pg_accumulator;
		CREATE TYPE quality AS ENUM ('best', 'fair', 'good', 'poor');
		SELECT accum.register_create('stock', '[{"name": "product", "type": "text"}, {"name": "quality", "type": "public.quality"},
				{"name": "lot", "type": "text"}]',
			'[{"name": "n", "type": "integer"}, {"name": "amount", "type": "numeric(14,2)"}]',
			attributes => '{"note": "text"}', time_zone => 'Europe/London');});
	$node->safe_psql('postgres', "COPY (SELECT $columns FROM accum.stock_movements ORDER BY recorded_at, id) TO '$dumps/movements'");
	$node->safe_psql('moved', "COPY accum.stock_movements ($columns) FROM '$dumps/movements'");
	is($node->safe_psql('moved', q{SELECT accum.register_create_partitions('stock') > 0}), 't', 'moved: partitions');
	is($node->safe_psql('moved', q{SELECT count(*) FROM accum.stock_movements_default}), 0, 'moved: all have one');
	for my $question (q{SELECT md5(string_agg(t::text, ',' ORDER BY t::text COLLATE "C")) FROM accum.stock_turnover(group_by => '["product", "quality", "lot"]') AS t},
		'SELECT count(*), sum(n), sum(amount) FROM accum.stock_movements')
	{
		is($node->safe_psql('moved', $question), $node->safe_psql('postgres', $question), 'moved: answers are the same');
	}
	isnt($node->safe_psql('moved', 'SELECT min(dim_hash) FROM accum.stock_balance_cache'),
		$node->safe_psql('postgres', 'SELECT min(dim_hash) FROM accum.stock_balance_cache'), 'moved: hashes are others');
	register_is_right($node, 'moved', 'stock', 'moved');
	return;
}

# Registers whose seed did not come along, and movements that brought hashes from another
# one: that is noticed, and mended.
sub another_seed
{
	my $states = sub {
		return $node->safe_psql($_[0], q{
			SELECT r.name, string_agg(DISTINCT v.status, ' ' ORDER BY v.status) FROM accum._registers AS r, accum.register_verify(r.name) AS v
			GROUP BY 1 ORDER BY 1});
	};

	my @all = sort (@registers, 'books', 'old');

	$node->safe_psql('postgres', 'CREATE DATABASE reseeded');
	$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname=' . $node->connstr('reseeded'), "$dumps/custom" ], 'reseeded: restore');
	my $open = session('--dbname=' . $node->connstr('reseeded'));
	is(told($open, q{SELECT 'n ' || count(accum.stock_balance('{"product": "3"}'));}, qr/n (\d)/), 1, 'reseeded: a session knows the seed');
	$node->safe_psql('reseeded', q{UPDATE accum._register_seeds SET seed = seed + 1});
	my $cells = $node->safe_psql('reseeded', 'SELECT count(*) FROM accum.stock_balance_cache WHERE movements_count > 0');
	is($states->('reseeded'), join("\n", map { "$_|OK WRONG_HASH" } @all), 'reseeded: all is noticed');
	$node->safe_psql('reseeded', 'SELECT accum.register_rebuild_totals(name) FROM accum._registers');
	is($states->('reseeded'), join("\n", map { "$_|OK" } @all), 'reseeded: and mended');
	register_is_right($node, 'reseeded', $_, 'reseeded') foreach @registers;
	is(told($open, q{SELECT 'posted ' || accum.register_post('stock', '{"recorder": "d1", "period": "2020-07-01 10:00", "product": "3", "quality": "best", "lot": null, "n": 2, "amount": 0.5}');},
			qr/posted (\d)/), 1, 'reseeded: the session posts');
	session_end($open);
	is($states->('reseeded') =~ /WRONG/, '', 'reseeded: with the new one');
	is($node->safe_psql('reseeded', 'SELECT count(*) FROM accum.stock_balance_cache WHERE movements_count > 0'), $cells, 'reseeded: a post comes to the old cell');
	register_is_right($node, 'reseeded', 'stock', 'reseeded, posted');

	# Copied with everything, past the triggers, into the register of one_register().
	my $columns = $node->safe_psql('postgres', q{
			SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = 'accum.stock_movements'::regclass AND attnum > 0});
	$node->safe_psql('postgres', "COPY (SELECT $columns FROM accum.stock_movements) TO '$dumps/everything'");
	$node->safe_psql('moved', qq{
			SET session_replication_role = replica;
			DELETE FROM accum.stock_movements;
			COPY accum.stock_movements ($columns) FROM '$dumps/everything'});
	is($states->('moved'), 'stock|MISSING_IN_CACHE MISSING_IN_TOTALS ORPHAN_IN_CACHE ORPHAN_IN_TOTALS WRONG_HASH', 'moved: copied hashes are noticed');
	$node->safe_psql('moved', q{SELECT accum.register_rebuild_cache('stock')});
	is($states->('moved'), 'stock|OK', 'moved: and mended');
	is($node->safe_psql('moved', 'SELECT count(*), sum(n), sum(amount) FROM accum.stock_movements'),
		$node->safe_psql('postgres', 'SELECT count(*), sum(n), sum(amount) FROM accum.stock_movements'), 'moved: all movements are there');
	return;
}
