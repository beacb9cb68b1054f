# AccumMoved.pm - registers of every kind, and what must be true of them in the place where
# they have come to: another database, another server.

package AccumMoved;

use strict;
use warnings;

use AccumTest;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(make_registers moved_registers remember came_along);

# Those that can be compared with a plain sum; movements of others are pairs, or archived.
my @plain = ('stock', 'visits', 'fast', 'faster', 'slower', 'limited', 'kept', 'shared');

sub moved_registers
{
	return @plain;
}

# Make the registers in the database postgres of a server.
sub make_registers
{
	my ($node) = @_;

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
	$node->safe_psql('postgres', q{
		CREATE ROLE reader;
		CREATE ROLE clerk;
		CREATE ROLE chief;
		SELECT accum.register_grant('stock', 'reader', 'read'), accum.register_grant('stock', 'clerk', 'post'),
			accum.register_grant('stock', 'chief', 'admin');

		-- A ledger with a strict chart of accounts, and one column of two for each resource.
		SELECT accum.register_create('books', '{"currency": "text", "quality": "public.quality"}',
			'[{"name": "amount", "type": "numeric(14,2)"}, {"name": "pieces", "type": "integer", "balanced": false}]',
			kind => 'ledger', chart => 'strict');
		INSERT INTO accum.books_accounts (account, name) SELECT 'a' || i, 'account ' || i FROM generate_series(0, 4) AS i;
		SELECT accum.register_post('books', (SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || i % 20,
				'period', timestamp '2020-01-01' + i * interval '17 hours', 'account_dr', 'a' || i % 3, 'account_cr', 'a' || 3 + i % 2,
				'subconto_dr', jsonb_build_object('who', i % 2), 'currency', 'eur', 'quality', (enum_range(NULL::quality))[1 + i % 4],
				'amount', i, 'pieces_dr', i % 5, 'pieces_cr', 1)) FROM generate_series(1, 200) AS i));

		-- Movements that are archived, of which totals are all there is.
		SELECT accum.register_create('old', '{"quality": "public.quality"}', '{"n": "integer"}', high_write => true);
		SELECT accum.register_post('old', (SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || i,
				'period', timestamp '2020-01-01' + i * interval '3 days', 'quality', (enum_range(NULL::quality))[1 + i % 4],
				'n', i)) FROM generate_series(1, 100) AS i));
		SELECT accum.register_detach_partitions('old', now() - timestamptz '2020-06-01 12:00');
		SELECT accum.register_post('old', '{"recorder": "late", "period": "2020-06-03", "quality": "best", "n": 1}');});
	$node->safe_psql('postgres', q{
		-- Documents of one name that two tenants have.
		SELECT accum.register_create('shared', '[{"name": "tenant", "type": "integer", "required": true}]', '{"n": "integer"}', high_write => true);
		SELECT accum.register_post('shared', (SELECT jsonb_agg(jsonb_build_object('recorder', 'd', 'period', '2020-01-10', 'tenant', t, 'n', 10 * t))
				FROM generate_series(1, 2) AS t));
		SELECT accum.register_secure('shared', 'tenant', 'tenant IN (SELECT current_setting(''app.tenant'')::integer)');
		SELECT accum.register_grant('shared', 'clerk', r) FROM unnest('{read,post}'::text[]) AS r;});
	is($node->safe_psql('postgres', q{SELECT accum._delta_count('fast') > 0, accum._delta_count('faster') > 0,
			accum._delta_count('slower'), accum._delta_count('old') > 0}), 't|t|0|t', 'deltas are pending');
	return;
}

# What is asked of a database in the old place, and in the new one.
my %questions = (
	'the registry knows the relations' => 'SELECT register, role, relation FROM accum._register_relations ORDER BY 1, 2',
	'as many deltas are pending' => q{SELECT r, accum._delta_count(r) FROM unnest('{fast,faster,slower,old}'::text[]) AS r},
	'limits are the same' => q{SELECT accum.register_info('limited') -> 'limits'},
	'what was known' => q{SELECT recorded_at, accum.kept_balance(known_at => recorded_at)
		FROM (SELECT DISTINCT recorded_at FROM accum.kept_movements) AS m ORDER BY 1},
	'what is archived is known' => q{SELECT accum.old_balance(NULL, date '2020-03-31'), accum.old_balance('{"quality": "best"}')},
	'the ledger has its balances' => q{SELECT a, accum.books_get_balance(a) FROM unnest('{a0,a1,a2,a3,a4}'::text[]) AS a},
	'rights are the same' => q{SELECT relation, grantee::regrole, privilege_type
		FROM accum._register_relations JOIN pg_class AS c ON c.oid = relation, aclexplode(relacl)
		WHERE grantee <> relowner ORDER BY relation::text, 2, 3},
	'what was closed is known' => 'SELECT * FROM accum.register_closings ORDER BY 1, 2, 3');

# What a database says, and holds; the argument of came_along().
sub remember
{
	my ($node, $database) = @_;

	return {
		contents => contents($node, $database),
		cells => $node->safe_psql($database, 'SELECT count(*) FROM accum.stock_balance_cache'),
		map { ($_ => $node->safe_psql($database, $questions{$_})) } keys %questions
	};
}

# Everything in the tables of all registers, as one hash each, and in the registry.
sub contents
{
	my ($node, $database) = @_;
	my @tables = split /\n/, $node->safe_psql($database, q{SELECT relation FROM accum._register_relations ORDER BY relation::text});

	return $node->safe_psql($database, join '', map { qq{
		SELECT '$_', count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM $_ t;} }
		(map { "accum.$_" } qw(_registers _register_seeds _register_closings _delta_merges)), @tables);
}

# Test that all of it is in a database of a server as it was remembered, and goes on working.
sub came_along
{
	my ($node, $database, $before) = @_;

	is(contents($node, $database), $before->{contents}, "$database: all tables have the same contents");
	is($node->safe_psql($database, $questions{$_}), $before->{$_}, "$database: $_") foreach sort keys %questions;
	is(clean($node, $database), '', "$database: verified");
	for my $line ('"period": "2019-12-31", "product": "1"', '"period": "2020-06-30", "product": "closed"')
	{
		my ($result, $stdout, $stderr) = $node->psql($database, qq{
			SELECT accum.register_post('stock', '{"recorder": "late", $line, "quality": "best", "lot": null, "n": 1}')});

		like($stderr, qr/lies in a closed period of register "stock"/, "$database: what was closed is closed");
	}

	# To a cell and a document that were there, each way of writing.
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
		$before->{cells}, "$database: the post came to the old cells");
	register_is_right($node, $database, $_, $database) foreach @plain;
	deltas_are_right($node, $database);
	limits_are_kept($node, $database);
	history_is_kept($node, $database);
	books_are_kept($node, $database);
	tenants_are_apart($node, $database);
	is(clean($node, $database), '', "$database: verified at the end");

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
	my ($node, $database) = @_;

	isnt($node->psql($database, 'DELETE FROM accum.kept_movements'), 0, "$database: nothing is removed");
	is( $node->safe_psql($database, q{SELECT accum.register_unpost('kept', 'second'), accum.register_unpost('kept', 'first')}),
		'0|99', "$database: what was reversed is known");
	register_is_right($node, $database, 'kept', "$database, reversed");
	return;
}

# Limits came over with the register.
sub limits_are_kept
{
	my ($node, $database) = @_;
	my $post = sub {
		my ($quality, $day, $n) = @_;
		my ($result, $stdout, $stderr) = $node->psql($database, qq{SELECT accum.register_post('limited',
			'{"recorder": "more", "period": "$day", "quality": "$quality", "n": $n}')});
		return $stderr;
	};

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
	my ($node, $database) = @_;
	my $sums = join ', ', map { "(accum.${_}_balance() ->> 'n')::int = (SELECT sum(n) FROM accum.${_}_movements)" }
	  ('fast', 'faster');
	my $pending = q{SELECT accum._delta_count('fast'), accum._delta_count('faster'), accum._delta_count('slower')};

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

# The ledger, its chart, and the register whose movements are archived.
sub books_are_kept
{
	my ($node, $database) = @_;
	my $post = sub {
		my ($account) = @_;
		my ($result, $stdout, $stderr) = $node->psql($database, qq{SELECT accum.register_post('books', '{"recorder": "more",
			"period": "2020-05-05", "account_dr": "$account", "account_cr": "a4", "subconto_dr": {"who": 1}, "currency": "eur",
			"quality": "best", "amount": 5}')});
		return $stderr;
	};
	my $cells = $node->safe_psql($database, 'SELECT count(*) FROM accum.books_balance_cache');

	like($post->('a9'), qr/"a9"/, "$database: the chart is strict");
	is($post->('a1'), '', "$database: a posting comes in");
	is($node->safe_psql($database, 'SELECT count(*) FROM accum.books_balance_cache'), $cells, "$database: to old cells");
	is($node->safe_psql($database, q{SELECT accum.register_ledger_verify('books'), accum.register_unpost('books', 'more')}),
		't|1', "$database: debits equal credits");
	like(($node->psql($database, q{SELECT accum.register_post('old', '{"recorder": "more", "period": "2020-05-05", "quality": "best", "n": 5}')}))[2],
		qr/before 2020-06-01/, "$database: what is archived is archived");
	is( $node->safe_psql($database, q{
			SELECT accum.register_post('old', '{"recorder": "more", "period": "2020-06-05", "quality": "best", "n": 5}');
			SELECT accum._delta_flush_register('old') > 0, count(*) FROM accum.old_balance_cache}),
		"1\nt|4", "$database: what is not goes on");
	return;
}

# A secured register: its policies, and whose each document is.
sub tenants_are_apart
{
	my ($node, $database) = @_;

	is( $node->safe_psql($database, q{
			SET ROLE clerk;
			SET app.tenant = 2;
			SELECT accum.shared_balance() ->> 'n', accum.register_unpost('shared', 'd');
			SELECT accum.register_post('shared', '{"recorder": "d", "period": "2020-01-11", "tenant": 2, "n": 21}');
			SET app.tenant = 1;
			SELECT accum.shared_balance() ->> 'n', accum.register_repost('shared', 'd', '{"period": "2020-01-11", "tenant": 1, "n": 11}');
			RESET ROLE;
			SELECT tenant, n FROM accum.shared_balances ORDER BY tenant}),
		"20|1\n1\n10|1\n1|11\n2|21", "$database: tenants are apart");
	like(($node->psql($database, q{SET ROLE clerk; SET app.tenant = 2;
			SELECT accum.register_post('shared', '{"recorder": "d", "period": "2020-01-11", "tenant": 1, "n": 1}')}))[2],
		qr/violates row-level security policy/, "$database: and stay so");
	register_is_right($node, $database, 'shared', "$database, of tenants");
	return;
}

# What register_verify finds wrong.
sub clean
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, q{SELECT DISTINCT r.name, v.status
		FROM accum._registers AS r, accum.register_verify(r.name) AS v WHERE v.status <> 'OK'});
}

1;
