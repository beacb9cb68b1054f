# replication.pl - registers on a read copy by logical replication, and recovered to a
# point in time.
#
# The recipe of docs/operations.md: the copy has the same tables and the same registry,
# and subscribes to movements and derived tables together.  Neither the initial copy nor
# what follows fires a trigger of the register there, so nothing is counted twice.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @registers = ('standard', 'fast', 'turns');

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical', has_archiving => 1);
$publisher->start;
prepare();
$publisher->backup('backup');
read_copy();
point_in_time();

$publisher->stop;
done_testing();

sub prepare
{
	$publisher->safe_psql('postgres', q{
		CREATE EXTENSION pg_accumulator;
		CREATE TYPE grade AS ENUM ('good', 'poor');
		CREATE FUNCTION lines(document text, n integer) RETURNS jsonb LANGUAGE sql
		RETURN (SELECT jsonb_agg(jsonb_build_object('recorder', document,
					'period', timestamp '2001-01-01' + i % 900 * interval '1 day',
					'cell', nullif(i % 40, 0), 'grade', (ARRAY['good', 'poor', NULL])[1 + i % 3], 'n', i))
				FROM generate_series(1, n) AS i);
		SELECT accum.register_create(name, '{"cell": "integer", "grade": "public.grade"}', '{"n": "bigint"}',
			kind => kind, high_write => high_write, partition_by => 'year')
		FROM (VALUES ('standard', 'balance', false), ('fast', 'balance', true), ('turns', 'turnover', false)) AS v (name, kind, high_write);
		SELECT accum.register_post(r, lines('first', 500)) FROM unnest('{standard,fast,turns}'::text[]) AS r;
		SELECT accum._delta_flush_register('fast');
		SELECT accum.register_post('fast', lines('pending', 100));});
	return;
}

sub everywhere_the_same
{
	my ($copy, $what) = @_;

	foreach my $register (@registers)
	{
		my $turnover = qq{SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM accum.${register}_turnover(group_by => '["cell", "grade"]') AS t};

		is($copy->safe_psql('postgres', $turnover), $publisher->safe_psql('postgres', $turnover), "$what: $register answers the same");
		register_is_right($copy, 'postgres', $register, $what);
		is($copy->safe_psql('postgres', "SELECT DISTINCT status FROM accum.register_verify('$register')"), 'OK', "$what: $register is verified");
	}
	return;
}

sub dump_to
{
	my ($copy, @options) = @_;
	my $file = $publisher->basedir . '/dump.sql';

	command_ok([ 'pg_dump', @options, '--file', $file, $publisher->connstr('postgres') ], "pg_dump @options");
	command_ok([ 'psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--file', $file, $copy->connstr('postgres') ], 'restore');
	return;
}

sub read_copy
{
	my $copy = PostgreSQL::Test::Cluster->new('copy');

	$copy->init(allows_streaming => 'logical');
	$copy->start;
	dump_to($copy, '--schema-only');
	dump_to($copy, '--data-only', map { "--table=accum.$_" } qw(_registers _register_relations _register_seeds _delta_merges _register_closings));
	$publisher->safe_psql('postgres', q{
		SELECT format('CREATE PUBLICATION registers FOR TABLE %s WITH (publish_via_partition_root = true)',
			string_agg(relation::text, ', ')) FROM accum._register_relations \gexec});
	$copy->safe_psql('postgres', "CREATE SUBSCRIPTION registers CONNECTION '" . ($publisher->connstr('postgres') =~ s/'/''/gr) . "' PUBLICATION registers");
	ok($copy->poll_query_until('postgres', q{SELECT bool_and(srsubstate IN ('r', 's')) FROM pg_subscription_rel}), 'the initial copy is done');
	$publisher->wait_for_catchup('registers');
	everywhere_the_same($copy, 'initial copy');

	# Everything that changes a register, a new partition and a fold among it.
	$publisher->safe_psql('postgres', q{
		SELECT accum.register_post(r, lines('second', 300)), accum.register_repost(r, 'first', lines('first', 200)), accum.register_unpost(r, 'second'),
			accum.register_post(r, '{"recorder": "third", "period": "2031-01-01", "cell": 77, "grade": "poor", "n": 7}')
		FROM unnest('{standard,fast,turns}'::text[]) AS r;
		SELECT accum._delta_merge_register('fast', '0 seconds', 150);
		DELETE FROM accum.standard_movements WHERE period < '2001-02-01';
		SELECT accum.register_create_partitions('standard', '8 years');});
	$publisher->wait_for_catchup('registers');
	everywhere_the_same($copy, 'after changes');
	is($copy->safe_psql('postgres', 'SELECT accum._delta_count(\'fast\') > 0'), 't', 'deltas are pending there as well');

	$publisher->safe_psql('postgres', q{
		SELECT accum._delta_flush_register('fast'), accum.register_rebuild_totals('standard'), accum.register_clear('turns', true);
		SELECT accum.register_post('turns', lines('again', 50));});
	$publisher->wait_for_catchup('registers');
	everywhere_the_same($copy, 'after a rebuild');

	# The copy can take over: its cells are those of the publisher.
	$copy->safe_psql('postgres', 'DROP SUBSCRIPTION registers');
	my $cells = $copy->safe_psql('postgres', 'SELECT count(*) FROM accum.standard_balance_cache');
	$copy->safe_psql('postgres', q{SELECT accum.register_post(r, lines('taken over', 200)), accum.register_unpost(r, 'third') FROM unnest('{standard,fast,turns}'::text[]) AS r});
	is($copy->safe_psql('postgres', 'SELECT count(*) FROM accum.standard_balance_cache'), $cells, 'posts come to the old cells');
	register_is_right($copy, 'postgres', $_, 'taken over') foreach @registers;
	$publisher->safe_psql('postgres', 'DROP PUBLICATION registers');
	$copy->stop;
	return;
}

# A server that is restored to a moment between two posts has the one and not the other.
sub point_in_time
{
	my $restored = PostgreSQL::Test::Cluster->new('restored');
	my ($before, $counts);

	$publisher->safe_psql('postgres', q{SELECT accum.register_post(r, lines('before', 123)) FROM unnest('{standard,fast,turns}'::text[]) AS r});
	$counts = join ' || \' \' || ', map { "(SELECT count(*) FROM accum.${_}_movements)" } @registers;
	$before = $publisher->safe_psql('postgres', "SELECT $counts");
	$publisher->safe_psql('postgres', q{
		SELECT pg_create_restore_point('between');
		SELECT accum.register_post(r, lines('after', 45)), accum.register_unpost(r, 'before') FROM unnest('{standard,fast,turns}'::text[]) AS r;
		SELECT accum._delta_flush_register('fast');
		SELECT accum.register_drop('turns', true);
		SELECT pg_switch_wal();});
	$restored->init_from_backup($publisher, 'backup', has_restoring => 1, standby => 0);
	$restored->append_conf('postgresql.conf', "recovery_target_name = 'between'\nrecovery_target_action = promote\n");
	$restored->start;
	ok($restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'), 'recovered to a point in time');
	is($restored->safe_psql('postgres', "SELECT $counts"), $before, 'movements are those of that time');
	register_is_right($restored, 'postgres', $_, 'recovered') foreach @registers;
	is($restored->safe_psql('postgres', q{SELECT accum.register_unpost(r, 'before') FROM unnest('{standard,fast,turns}'::text[]) AS r}), "123\n123\n123", 'and documents can be cancelled');
	register_is_right($restored, 'postgres', $_, 'recovered and changed') foreach @registers;
	$restored->stop;
	return;
}
