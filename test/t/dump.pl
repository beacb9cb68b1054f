# dump.pl - a register survives pg_dump and pg_restore.
#
# Movements, derived tables and the registry go over as data, and nothing is
# counted twice on the way.  In the new database every OID is another one, of the
# enum's labels as well; a post still comes to the cell that it came to before.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('dump');
my $dumps = $node->basedir;

$node->safe_psql('postgres', q{
	CREATE TYPE quality AS ENUM ('poor', 'fair', 'good');
	ALTER TYPE quality ADD VALUE 'best' AFTER 'good';

	SELECT accum.register_create('stock',
		'[{"name": "product", "type": "text"}, {"name": "quality", "type": "public.quality"}]',
		'[{"name": "n", "type": "integer"}, {"name": "amount", "type": "numeric(14,2)"}]',
		attributes => '{"note": "text"}', time_zone => 'Europe/London');
	SELECT accum.register_create('visits', '{"visited": "date", "tenant": "uuid"}', '{"n": "bigint"}',
		kind => 'turnover', totals_period => 'month', partition_by => 'year', year_start => 4,
		recorder_type => 'bigint');

	SELECT accum.register_post('stock', (SELECT jsonb_agg(jsonb_build_object(
		'recorder', 'd' || i % 50, 'period', timestamp '2020-01-01' + i * interval '17 hours',
		'product', nullif(i % 7, 0), 'quality', (enum_range(NULL::quality))[1 + i % 5],
		'n', i % 11 - 5, 'amount', i / 3.0, 'note', 'line ' || i))
		FROM generate_series(1, 1000) AS i));
	SELECT accum.register_post('visits', (SELECT jsonb_agg(jsonb_build_object(
		'recorder', i % 20, 'period', timestamp '2020-01-01' + i * interval '3 days',
		'visited', date '2020-01-01' + i, 'tenant', md5((i % 5)::text)::uuid, 'n', i))
		FROM generate_series(1, 500) AS i));

	-- Cells at zero, a document without movements, one that was changed.
	SELECT accum.register_unpost('stock', 'd7'), accum.register_unpost('visits', '7');
	SELECT accum.register_repost('stock', 'd8', '[{"period": "2020-05-01 10:00",
		"product": "1", "quality": "best", "n": 1, "amount": 1}]');

	-- What is closed, all of it and for a cell of which OIDs are a part.
	SELECT accum.register_close('stock', '2019-12-31'),
		accum.register_close('stock', '2020-06-30', '{"quality": "best", "product": "closed"}');

	-- Columns that came later, behind others.
	SELECT accum.register_alter('stock', add_dimensions => '{"lot": "text"}'),
		accum.register_alter('visits', add_resources => '{"minutes": "numeric(8,1)"}');
	SELECT accum.register_post('stock', '{"recorder": "d9", "period": "2020-05-01 10:00",
			"product": "1", "quality": "best", "lot": "L1", "n": 1, "amount": 1}'),
		accum.register_post('visits', '{"recorder": 9, "period": "2020-05-01 10:00",
			"visited": "2020-05-01", "tenant": null, "n": 1, "minutes": 7.5}');

	-- Deltas that are pending, in a register that was made for them, in one that was
	-- altered, and in one that has them no longer.
	SELECT accum.register_create('fast', '{"product": "text"}', '{"n": "integer"}', high_write => true),
		accum.register_create('faster', '{"product": "text"}', '{"n": "integer"}'),
		accum.register_create('slower', '{"product": "text"}', '{"n": "integer"}', kind => 'turnover', high_write => true);
	CREATE FUNCTION lines(document text) RETURNS jsonb LANGUAGE sql
		RETURN (SELECT jsonb_agg(jsonb_build_object('recorder', document, 'period', timestamp '2020-01-01' + i * interval '17 hours',
			'product', nullif(i % 7, 0), 'n', i % 11 - 5)) FROM generate_series(1, 100) AS i);
	SELECT accum.register_post(r, lines('first')) FROM unnest('{fast,faster,slower}'::text[]) AS r;
	SELECT accum._delta_flush_register('fast'), accum.register_alter('faster', high_write => true);
	SELECT accum.register_post(r, lines('second')), accum.register_unpost(r, 'first') FROM unnest('{fast,faster,slower}'::text[]) AS r;
	SELECT accum.register_alter('slower', '{"lot": "text"}', high_write => false),
		accum.register_alter('fast', add_resources => '{"amount": "numeric(14,2)"}');

	-- Limits, of which one is broken by what is there.
	SELECT accum.register_create('limited', '{"quality": "public.quality"}', '{"n": "integer"}', limits =>
		'[{"name": "enough", "check": "n >= 0 or quality = ''best''"}, {"name": "always", "check": "n >= 0", "every_date": true}]');
	SELECT accum.register_post('limited', '[{"recorder": "in", "period": "2020-01-10", "quality": "good", "n": 5},
		{"recorder": "in", "period": "2020-01-10", "quality": "best", "n": 5},
		{"recorder": "in", "period": "2020-01-10", "quality": "poor", "n": 0}, {"recorder": "out", "period": "2020-01-20", "quality": "best", "n": -5}]');
	SET session_replication_role = replica;
	INSERT INTO accum.limited_movements (recorder, period, movement_type, dim_hash, quality, n)
		SELECT recorder, period, movement_type, dim_hash, quality, -1 FROM accum.limited_movements WHERE quality = 'poor';
	RESET session_replication_role;
	SELECT accum.register_rebuild_cache('limited'), accum.register_rebuild_totals('limited');});
$node->safe_psql('postgres', $_) foreach (
	q{SELECT accum.register_create('kept', '{"product": "text"}', '{"n": "integer"}', history => true)},
	q{SELECT accum.register_post('kept', lines(d)) FROM unnest('{first,second}'::text[]) AS d},
	q{SELECT accum.register_repost('kept', 'first', lines('first') - 5)},
	q{SELECT accum.register_unpost('kept', 'second', '2020-06-01')});
is($node->safe_psql('postgres', q{SELECT accum._delta_count('fast') > 0, accum._delta_count('faster') > 0, accum._delta_count('slower')}),
	't|t|0', 'deltas are pending');

my @registers = ('stock', 'visits', 'fast', 'faster', 'slower', 'limited', 'kept');
my $before = contents('postgres');

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
	check_restored($name);
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
	check_restored('apart');
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

	$node->safe_psql('postgres', 'CREATE DATABASE reseeded');
	$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname=' . $node->connstr('reseeded'), "$dumps/custom" ], 'reseeded: restore');
	$node->safe_psql('reseeded', q{UPDATE accum._register_seeds SET seed = seed + 1});
	my $cells = $node->safe_psql('reseeded', 'SELECT count(*) FROM accum.stock_balance_cache WHERE movements_count > 0');
	is($states->('reseeded'), join("\n", map { "$_|OK WRONG_HASH" } sort @registers), 'reseeded: all is noticed');
	$node->safe_psql('reseeded', 'SELECT accum.register_rebuild_totals(name) FROM accum._registers');
	is($states->('reseeded'), join("\n", map { "$_|OK" } sort @registers), 'reseeded: and mended');
	register_is_right($node, 'reseeded', $_, 'reseeded') foreach @registers;
	$node->safe_psql('reseeded', q{
			SELECT accum.register_post('stock', '{"recorder": "d1", "period": "2020-07-01 10:00",
				"product": "3", "quality": "best", "lot": null, "n": 2, "amount": 0.5}')});
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

# Everything in the tables of both registers, as one hash each.
sub contents
{
	my ($database) = @_;

	return $node->safe_psql($database, join '', map { qq{
		SELECT '$_', count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM accum.$_ t;} }
		qw(_registers _register_seeds _register_closings _delta_merges stock_movements stock_balance_cache
		stock_totals_day stock_totals_month stock_totals_year stock_recorders
		visits_movements visits_totals_month visits_totals_year visits_recorders),
		(map { my $r = $_; map { "${r}_$_" } qw(movements balance_cache balance_cache_delta totals_day
			totals_month totals_year recorders) } qw(fast faster)),
		(map { "slower_$_" } qw(movements balance_cache_delta totals_day totals_month totals_year recorders)),
		map { "limited_$_" } qw(movements balance_cache totals_day totals_month totals_year recorders));
}

sub check_restored
{
	my ($database) = @_;

	is(contents($database), $before, "$database: all tables have the same contents");
	isnt(
		$node->safe_psql($database, q{SELECT 'accum.stock_movements'::regclass::oid}),
		$node->safe_psql('postgres', q{SELECT 'accum.stock_movements'::regclass::oid}),
		"$database: OIDs are others");
	is( $node->safe_psql($database, q{
		SELECT register, role, relation FROM accum._register_relations ORDER BY 1, 2}),
		$node->safe_psql('postgres', q{
		SELECT register, role, relation FROM accum._register_relations ORDER BY 1, 2}),
		"$database: the registry knows the relations");

	for my $line ('"period": "2019-12-31", "product": "1"', '"period": "2020-06-30", "product": "closed"')
	{
		my ($result, $stdout, $stderr) = $node->psql($database, qq{
			SELECT accum.register_post('stock', '{"recorder": "late", $line, "quality": "best", "lot": null, "n": 1}')});

		like($stderr, qr/lies in a closed period of register "stock"/, "$database: what was closed is closed");
	}

	# To a cell and a document that were there, each way of writing.
	my $cells = $node->safe_psql($database, 'SELECT count(*) FROM accum.stock_balance_cache');
	is( $node->safe_psql($database, q{
		SELECT accum.register_post('stock', '{"recorder": "d1", "period": "2020-03-01 10:00",
			"product": "3", "quality": "best", "lot": null, "n": 2, "amount": 0.5, "note": null}');
		INSERT INTO accum.stock_movements (recorder, period, product, quality, n)
		VALUES ('d1', '2020-03-01 10:00Z', NULL, NULL, 1);
		SELECT accum.register_unpost('stock', ARRAY['d2', 'd3']);
		SELECT accum.register_repost('visits', '3', '[{"period": "2021-01-01", "visited": "2020-01-04",
			"tenant": null, "n": 5}]');}),
		"1\n40\n1", "$database: documents can be changed");
	is($node->safe_psql($database, 'SELECT count(*) FROM accum.stock_balance_cache'),
		$cells, "$database: the post came to the old cells");
	register_is_right($node, $database, $_, $database) foreach @registers;
	deltas_are_right($database);
	limits_are_kept($database);
	history_is_kept($database);

	is( $node->safe_psql($database, q{
		SELECT accum.stock_balance('{"quality": "best"}')
			= (SELECT jsonb_build_object('n', sum(n), 'amount', sum(amount))
			   FROM accum.stock_movements WHERE quality = 'best'),
			(SELECT sum((m ->> 'n')::int) FROM accum.stock_movements('d1') AS m)
			= (SELECT sum(n) FROM accum.stock_movements WHERE recorder = 'd1')}),
		't|t', "$database: the read functions answer");
	isnt($node->psql($database, 'DELETE FROM accum.stock_balance_cache'),
		0, "$database: derived tables are guarded");
	return;
}

# So did what was known when, and what has been reversed.
sub history_is_kept
{
	my ($database) = @_;
	my $known = q{SELECT recorded_at, accum.kept_balance(known_at => recorded_at)
		FROM (SELECT DISTINCT recorded_at FROM accum.kept_movements) AS m ORDER BY 1};

	is($node->safe_psql($database, $known), $node->safe_psql('postgres', $known),
		"$database: what was known");
	isnt($node->psql($database, 'DELETE FROM accum.kept_movements'), 0, "$database: nothing is removed");
	is( $node->safe_psql($database, q{SELECT accum.register_unpost('kept', 'second'), accum.register_unpost('kept', 'first')}),
		'0|99', "$database: what was reversed is known");
	register_is_right($node, $database, 'kept', "$database, reversed");
	return;
}

# Limits came over with the register.
sub limits_are_kept
{
	my ($database) = @_;
	my $post = sub {
		my ($quality, $day, $n) = @_;
		my ($result, $stdout, $stderr) = $node->psql($database, qq{SELECT accum.register_post('limited',
			'{"recorder": "more", "period": "$day", "quality": "$quality", "n": $n}')});
		return $stderr;
	};

	is($node->safe_psql($database, q{SELECT accum.register_info('limited') -> 'limits'}),
		$node->safe_psql('postgres', q{SELECT accum.register_info('limited') -> 'limits'}),
		"$database: limits are the same");
	like($post->('good', '2020-02-01', -6), qr/breaks limit "enough" of register "limited"/,
		"$database: a limit holds");
	like($post->('best', '2020-01-15', -1), qr/breaks limit "always".*\n.*\(-1\) at the end of 2020-01-20/,
		"$database: in the past, too");
	is($post->('good', '2020-02-01', -5), '', "$database: what keeps to it passes");
	return;
}

# Deltas that came over count, are added to and can be folded; the mode can be changed.
sub deltas_are_right
{
	my ($database) = @_;
	my $sums = join ', ', map { "(accum.${_}_balance() ->> 'n')::int = (SELECT sum(n) FROM accum.${_}_movements)" }
	  ('fast', 'faster');
	my $pending = q{SELECT accum._delta_count('fast'), accum._delta_count('faster'), accum._delta_count('slower')};

	is($node->safe_psql($database, $pending), $node->safe_psql('postgres', $pending),
		"$database: as many deltas are pending");
	is($node->safe_psql($database, "SELECT $sums"), 't|t', "$database: they count");
	$node->safe_psql($database, q{
		SELECT accum.register_post(r, '{"recorder": "third", "period": "2020-01-05", "product": "new", "n": 3}'),
			accum.register_unpost(r, 'second') FROM unnest('{fast,faster}'::text[]) AS r;
		SELECT accum.register_post('slower', '{"recorder": "third", "period": "2020-01-05", "product": "new", "lot": null, "n": 3}')});
	is($node->safe_psql($database, "SELECT $sums"), 't|t', "$database: so do those that come after");
	is($node->safe_psql($database, q{
			SELECT accum._force_delta_merge() > 0;
			SELECT accum._delta_count('fast'), accum._delta_count('faster')}),
		"t\n0|0", "$database: they can be folded");
	is($node->safe_psql($database, q{SELECT string_agg(register, ' ' ORDER BY register) FROM accum._delta_merges
			WHERE merged_at > now() - interval '1 minute' AND register IN ('fast', 'faster')}),
		'fast faster', "$database: which is remembered");
	is($node->safe_psql($database, "SELECT $sums"), 't|t', "$database: and changes no sum");
	$node->safe_psql($database, q{SELECT accum.register_alter('slower', high_write => true), accum.register_alter('fast', high_write => false)});
	$node->safe_psql($database, q{
		SELECT accum.register_post('fast', '{"recorder": "fourth", "period": "2020-01-05", "product": "new", "n": 3}'),
			accum.register_post('slower', '{"recorder": "fourth", "period": "2020-01-05", "product": "new", "lot": null, "n": 3}')});
	is($node->safe_psql($database, $pending), '0|0|1', "$database: the mode can be changed");
	register_is_right($node, $database, $_, "$database, folded") foreach ('fast', 'faster', 'slower');
	return;
}
