# update.pl - ALTER EXTENSION UPDATE leads from every version to what is installed anew.
#
# Scripts of released versions are in test/released; those that update from them, in sql.
# What is to be tested of the way there is, with versions that are made up here: a library
# that does not fit refuses to open registers, and nothing but that.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use File::Basename;
use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($version) = slurp_file('pg_accumulator.control') =~ /^default_version *= *'(.*)'/m;
my $node = new_server('update', bare => 1, conf => <<'END');
shared_preload_libraries = 'pg_accumulator'
pg_accumulator.maintenance_interval = 100
pg_accumulator.delta_merge_interval = 100
pg_accumulator.delta_merge_delay = 0
END
my $directory = $node->config_data('--sharedir') . '/extension';

plan skip_all => "$directory is not to be written to" unless -w $directory;

$node->safe_psql('postgres', 'CREATE EXTENSION pg_accumulator');
my @fresh = objects('postgres');
cmp_ok(scalar(@fresh), '>', 300, 'a new installation has objects to compare with');
foreach my $kind ('function', 'column', 'comment', 'acl', 'event trigger', 'dumped', 'index', 'constraint', 'view')
{
	ok((grep { /^$kind / } @fresh), "there is a $kind");
}

released();
made_up();
wrong_library();

$node->stop;
done_testing();

# Everything that belongs to the extension, as lines.
sub objects
{
	my ($database) = @_;
	my $sql = q{
		SET search_path = pg_catalog;
		CREATE TEMP TABLE member AS
			SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS name
			FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
			WHERE d.deptype = 'e' AND e.extname = 'pg_accumulator';
		SELECT translate(o.object, E'\n\t', '  ') FROM (
		SELECT name AS object FROM member
		UNION ALL SELECT 'function ' || pg_get_functiondef(objid) FROM member WHERE classid = 'pg_proc'::regclass
		UNION ALL SELECT 'view ' || name || pg_get_viewdef(objid) FROM member JOIN pg_class c ON c.oid = objid AND relkind = 'v'
		UNION ALL SELECT concat_ws(' ', 'relation', name, relkind, reloptions, relrowsecurity, relpersistence, relreplident)
			FROM member JOIN pg_class c ON c.oid = objid AND classid = 'pg_class'::regclass
		UNION ALL SELECT concat_ws(' ', 'column', name, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attcollation, pg_get_expr(adbin, adrelid))
			FROM member JOIN pg_attribute a ON attrelid = objid AND attnum > 0 AND NOT attisdropped AND classid = 'pg_class'::regclass
			LEFT JOIN pg_attrdef ON adrelid = objid AND adnum = attnum
		UNION ALL SELECT concat_ws(' ', 'constraint', name, conname, pg_get_constraintdef(k.oid))
			FROM member JOIN pg_constraint k ON conrelid = objid AND classid = 'pg_class'::regclass
		UNION ALL SELECT 'index ' || pg_get_indexdef(indexrelid) FROM member JOIN pg_index ON indrelid = objid AND classid = 'pg_class'::regclass
		UNION ALL SELECT concat_ws(' ', 'trigger', name, pg_get_triggerdef(t.oid)) FROM member JOIN pg_trigger t ON tgrelid = objid AND classid = 'pg_class'::regclass
		UNION ALL SELECT concat_ws(' ', 'event trigger', evtname, evtevent, evtenabled, evttags, evtfoid::regprocedure)
			FROM member JOIN pg_event_trigger t ON t.oid = objid AND classid = 'pg_event_trigger'::regclass
		UNION ALL SELECT concat_ws(' ', 'comment', name, objsubid, description) FROM member JOIN pg_description d ON d.classoid = classid AND d.objoid = objid
		UNION ALL SELECT concat_ws(' ', 'rights', name, i.privtype, acl) FROM member JOIN pg_init_privs i ON i.classoid = classid AND i.objoid = objid,
			LATERAL (SELECT array_agg(a::text ORDER BY a::text) AS acl FROM unnest(initprivs) AS a) AS x
		UNION ALL SELECT concat_ws(' ', 'acl', name, acl) FROM (
				SELECT name, proacl FROM member JOIN pg_proc p ON p.oid = objid AND classid = 'pg_proc'::regclass
				UNION ALL SELECT name, relacl FROM member JOIN pg_class c ON c.oid = objid AND classid = 'pg_class'::regclass
				UNION ALL SELECT name, nspacl FROM member JOIN pg_namespace n ON n.oid = objid AND classid = 'pg_namespace'::regclass) AS o (name, acls),
			LATERAL (SELECT array_agg(a::text ORDER BY a::text) AS acl FROM unnest(acls) AS a) AS x
		UNION ALL SELECT concat_ws(' ', 'dumped', t.relation::regclass, t.condition)
			FROM pg_extension, LATERAL unnest(extconfig, extcondition) AS t (relation, condition) WHERE extname = 'pg_accumulator'
		UNION ALL SELECT concat_ws(' ', 'extension', extversion, extrelocatable, extnamespace::regnamespace) FROM pg_extension WHERE extname = 'pg_accumulator') AS o
		ORDER BY 1};

	return split /\n/, $node->safe_psql($database, $sql);
}

# Test that a database has what a new installation has.
sub is_as_new
{
	my ($database, $name) = @_;
	my @objects = objects($database);
	my %fresh = map { $_ => 1 } @fresh;
	my %objects = map { $_ => 1 } @objects;

	is_deeply([ grep { !$objects{$_} } @fresh ], [], "$name: nothing is missing");
	is_deeply([ grep { !$fresh{$_} } @objects ], [], "$name: and nothing else is there");
	return;
}

# Update from each version that was released.
sub released
{
	my %released = map { basename($_) =~ /^pg_accumulator--(.+)\.sql$/ ? ($1 => $_) : () } glob('test/released/*.sql');

	foreach my $script (glob('sql/pg_accumulator--*--*.sql'))
	{
		my ($from) = basename($script) =~ /^pg_accumulator--(.+)--.+\.sql$/;
		ok($released{$from}, "$script updates from a version that is in test/released");
	}
	foreach my $from (sort keys %released)
	{
		my $database = 'from_' . $from =~ tr/./_/r;

		copy($released{$from}, $directory) or die "$released{$from}: $!";
		$node->safe_psql('postgres', "CREATE DATABASE $database");
		$node->safe_psql($database, "CREATE EXTENSION pg_accumulator VERSION '$from'; ALTER EXTENSION pg_accumulator UPDATE");
		is_as_new($database, "from $from");
	}
	return;
}

sub write_script
{
	my ($name, $sql) = @_;

	open my $file, '>', "$directory/pg_accumulator--$name.sql" or die "$name: $!";
	print $file $sql;
	close $file or die "$name: $!";
	return;
}

# Registers of a version that is older than the library, and its update over two steps.
sub made_up
{
	my $function = $node->safe_psql('postgres', q{SELECT pg_get_functiondef('accum.register_prune'::regproc)});
	my $comments = $node->safe_psql('postgres', q{SELECT format('COMMENT ON FUNCTION %s IS %L;', p, obj_description(p))
		FROM unnest(ARRAY['accum.register_prune(text)'::regprocedure, 'accum.register_list()']) AS p});

	write_script("$version--0.0.1", q{
		DROP FUNCTION accum.register_prune(text);
		CREATE FUNCTION accum._gone_by_now() RETURNS int LANGUAGE sql RETURN 1;
		CREATE TABLE accum._table_gone_by_now (name text);
		COMMENT ON FUNCTION accum.register_list() IS 'An older comment.';
		REVOKE SELECT ON accum._registers FROM PUBLIC;
		SELECT pg_catalog.pg_extension_config_dump('accum._table_gone_by_now', '');
		ALTER TABLE accum._registers ADD COLUMN older int;});
	write_script("0.0.1--0.0.2", q{
		DROP FUNCTION accum._gone_by_now();
		ALTER TABLE accum._registers DROP COLUMN older;
		SELECT pg_catalog.pg_extension_config_dump('accum._registers', '');});
	write_script("0.0.2--$version", qq{
		ALTER EXTENSION pg_accumulator DROP TABLE accum._table_gone_by_now;
		DROP TABLE accum._table_gone_by_now;
		$function;
		$comments
		GRANT SELECT ON accum._registers TO PUBLIC;});

	$node->safe_psql('postgres', 'CREATE DATABASE older');
	$node->safe_psql('older', q{
		CREATE EXTENSION pg_accumulator;
		SELECT accum.register_create(r, '{"place": "text"}', '{"n": "integer"}', high_write => r = 'fast') FROM unnest('{stock,fast}'::text[]) AS r;
		SELECT accum.register_post(r, '{"recorder": "d", "period": "2020-05-05", "place": "a", "n": 5}') FROM unnest('{stock,fast}'::text[]) AS r;});
	my $open = session('--dbname=' . $node->connstr('older'));
	is(told($open, q{SELECT 'sum ' || (accum.stock_balance() ->> 'n');}, qr/sum (\d+)/), 5, 'a session knows the register');
	$node->safe_psql('older', q{ALTER EXTENSION pg_accumulator UPDATE TO '0.0.1'});

	# Nothing of a register can be had, whichever way.
	my $refused = qr/ERROR:  pg_accumulator has version 0\.0\.1 in this database, but its library has version \Q$version\E\nHINT:  Run ALTER EXTENSION pg_accumulator UPDATE\. If there is nothing to update, an old library is still loaded: reconnect, or restart the server if shared_preload_libraries has it\./;
	foreach my $statement (
		q{SELECT accum.register_post('stock', '{"recorder": "e", "period": "2020-05-05", "place": "a", "n": 5}')},
		q{INSERT INTO accum.stock_movements (recorder, period, place, n) VALUES ('e', '2020-05-05', 'a', 5)},
		q{DELETE FROM accum.stock_movements}, q{SELECT accum.stock_balance()}, q{SELECT accum.register_info('stock')},
		q{SELECT accum.register_create('new', '{}', '{"n": "integer"}')}, q{SELECT accum.register_drop('stock', true)},
		q{SELECT accum.register_verify('stock')}, q{SELECT accum._force_delta_merge()})
	{
		like(($node->psql('older', $statement))[2], $refused, "$statement is refused");
	}
	like(($node->psql('older', 'DROP TABLE accum.fast_totals_day CASCADE'))[2], qr/belongs to register "fast"/, 'tables are guarded');
	$node->wait_for_log(qr/pg_accumulator has version 0\.0\.1 in this database/, -s $node->logfile);
	pass('workers say so in the log');
	is($node->safe_psql('older', q{SELECT count(*) FROM accum.fast_balance_cache_delta WHERE place = 'a'}) <= 1, 1, 'and tables can be read');

	# Two steps forward, and all is there again; to the session that has been there all the time, too.
	$node->safe_psql('older', 'ALTER EXTENSION pg_accumulator UPDATE');
	is(told($open, q{SELECT 'posted ' || accum.register_post('stock', '{"recorder": "e", "period": "2020-05-05", "place": "a", "n": 5}');
			SELECT 'now ' || (accum.stock_balance() ->> 'n');}, qr/now (\d+)/), 10, 'the session goes on');
	session_end($open);
	is_as_new('older', 'after two steps');
	register_is_right($node, 'older', $_, 'after it') foreach ('stock', 'fast');
	is($node->safe_psql('older', q{SELECT DISTINCT v.status FROM accum._registers AS r, accum.register_verify(r.name) AS v}), 'OK', 'verified');

	# One can always leave.
	$node->safe_psql('older', q{ALTER EXTENSION pg_accumulator UPDATE TO '0.0.1'});
	isnt($node->psql('older', 'DROP EXTENSION pg_accumulator'), 0, 'the extension does not go where there are registers');
	$node->safe_psql('older', 'DROP EXTENSION pg_accumulator CASCADE');
	is($node->safe_psql('older', q{SELECT count(*) FROM pg_extension WHERE extname = 'pg_accumulator'}), 0, 'unless it has to');
	return;
}

# Objects that are newer than the library.
sub wrong_library
{
	write_script("$version--99.0.0", "COMMENT ON FUNCTION accum.register_list() IS 'A newer comment.';");
	$node->safe_psql('postgres', 'CREATE DATABASE newer');
	$node->safe_psql('newer', q{CREATE EXTENSION pg_accumulator; ALTER EXTENSION pg_accumulator UPDATE TO '99.0.0'});
	like(($node->psql('newer', q{SELECT accum.register_create('new', '{}', '{"n": "integer"}')}))[2],
		qr/pg_accumulator has version 99\.0\.0 in this database, but its library has version \Q$version\E/, 'a library that is too old refuses');
	$node->safe_psql('newer', 'DROP EXTENSION pg_accumulator');
	return;
}
