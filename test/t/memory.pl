# memory.pl - memory stays bounded.
#
# A backend that posts, reposts and cancels documents all day long does not grow,
# with partitions and registers coming and going meanwhile; large JSON arrays and
# COPY into many cells stay near work_mem.
#
# Short by default; ACCUM_LONG=1 runs the numbers in parentheses.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $long = $ENV{ACCUM_LONG};

# shared_buffers counts in a backend's resident memory, so it is small here; the
# compiler that jit would load is not ours.
my $node = new_server('memory', conf => "shared_buffers = 16MB\nwork_mem = 4MB\njit = off\n");

plan skip_all => 'there is no /proc/self/smaps_rollup'
  unless $node->safe_psql('postgres',
	q{SELECT count(*) FROM pg_stat_file('/proc/self/smaps_rollup', true) WHERE size IS NOT NULL});

# What the backend has for itself: memory contexts, and private pages, in kB.
$node->safe_psql('postgres', q{
	CREATE FUNCTION memory_contexts() RETURNS bigint LANGUAGE sql
	RETURN (SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts);
	CREATE FUNCTION memory_private() RETURNS bigint LANGUAGE sql
	RETURN (SELECT sum(m[1]::bigint)
			FROM regexp_matches(pg_read_file('/proc/self/smaps_rollup'),
								'Private_(?:Clean|Dirty): +(\d+) kB', 'g') AS m);
	CREATE FUNCTION memory_peak() RETURNS bigint LANGUAGE sql
	RETURN (SELECT m[1]::bigint
			FROM regexp_matches(pg_read_file('/proc/self/status'), 'VmHWM:\s+(\d+) kB') AS m);
	SELECT accum.register_create(name, '{"cell": "text", "tenant": "integer"}',
		'{"n": "bigint", "amount": "numeric(18,2)"}')
	FROM unnest(ARRAY['days', 'other', 'json', 'copied']) AS name;});

posts_do_not_grow();
json_is_bounded();
copy_is_bounded();
verify_is_bounded();

$node->stop;
done_testing();

# One document after the other, and now and then one more partition, a repost, an
# unpost, a direct INSERT and DELETE, an error, another register that comes and goes.
sub posts_do_not_grow
{
	my ($warm, $all) = $long ? (20_000, 200_000) : (2_000, 10_000);
	my ($contexts, $private, $contexts_end, $private_end);

	$node->safe_psql('postgres', q{
		CREATE PROCEDURE thousand_posts(first integer) LANGUAGE plpgsql AS $$
		DECLARE
			day timestamptz := '2001-01-01 12:00Z';
			cell text;
		BEGIN
			FOR i IN first .. first + 999 LOOP
				cell := 'cell ' || i % 1000;
				PERFORM accum.register_post('days', jsonb_build_array(
					jsonb_build_object('recorder', 'd' || i, 'period', day + i % 28 * interval '1 day',
						'cell', cell, 'tenant', i % 7, 'n', 1, 'amount', 0.5),
					jsonb_build_object('recorder', 'd' || i, 'period', day + i % 28 * interval '1 day',
						'cell', cell, 'tenant', NULL, 'n', -1, 'amount', i)));
				IF i % 10 = 0 THEN
					PERFORM accum.register_repost('days', 'd' || (i - 5), jsonb_build_array(
						jsonb_build_object('recorder', 'd' || (i - 5), 'period', day, 'cell', cell,
							'tenant', 1, 'n', 3, 'amount', 7)));
					PERFORM accum.register_unpost('days', 'd' || (i - 7));
					PERFORM accum.days_balance(jsonb_build_object('cell', cell));
				END IF;
				IF i % 100 = 0 THEN
					INSERT INTO accum.days_movements (recorder, period, cell, tenant, n, amount)
					VALUES ('direct', day, cell, 1, i, i);
					DELETE FROM accum.days_movements
					WHERE recorder = 'direct' AND period >= day AND period <= day;
					BEGIN
						PERFORM accum.register_post('days',
							jsonb_build_object('recorder', 'bad', 'period', day, 'cell', 'x', 'tenant', 'y'));
						RAISE 'a tenant that is no number was accepted';
					EXCEPTION WHEN invalid_text_representation THEN NULL;
					END;
				END IF;
			END LOOP;

			-- A new partition, and a change to another one, which every cached plan of
			-- the register has to forget.
			PERFORM accum.register_post('days', jsonb_build_object('recorder', 'month',
				'period', day + first / 1000 % 12 * interval '1 month',
				'cell', 'month', 'tenant', 1, 'n', 1));
			ALTER TABLE accum.days_movements_2001_01 SET (autovacuum_enabled = true);
			-- Not too often: PostgreSQL itself keeps a kilobyte of every table dropped.
			IF first % 10000 = 1 THEN
				PERFORM accum.register_drop('other', true);
				PERFORM accum.register_create('other', '{"cell": "text"}', '{"n": "bigint"}');
				PERFORM accum.register_post('other', jsonb_build_object('recorder', 'd',
					'period', day, 'cell', 'c', 'n', 1));
			END IF;
		END $$});

	# One session; a call is a transaction.
	my $calls = sub {
		return join '', map { 'CALL thousand_posts(' . ($_ * 1000 + 1) . ");\n" } @_;
	};
	my $measure = "SELECT memory_contexts(), memory_private();\n";
	($contexts, $private, $contexts_end, $private_end) = split /[|\n]/,
	  timed($node, 'postgres', "$all posts in one session:",
		$calls->(0 .. $warm / 1000 - 1) . $measure . $calls->($warm / 1000 .. $all / 1000 - 1)
		  . $measure);

	note("after $warm posts: contexts $contexts kB, private $private kB; "
		  . "after $all: contexts $contexts_end kB, private $private_end kB");
	cmp_ok($contexts_end, '<', $contexts + 1024, 'memory contexts do not grow');
	cmp_ok($private_end, '<', $private + 4096, 'private memory does not grow');
	register_is_right($node, 'postgres', 'days', 'after all posts');
	return;
}

sub json_is_bounded
{
	my $n = $long ? 100_000 : 20_000;
	my ($before, $after, $size, $end);

	$node->safe_psql('postgres', qq{
		CREATE TABLE document AS
		SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || i % 100,
			'period', timestamptz '2001-01-01 12:00Z' + i % 31 * interval '1 day',
			'cell', 'cell ' || i, 'tenant', i, 'n', 1, 'amount', 0.5)) AS data
		FROM generate_series(1, $n) AS i});
	$size = $node->safe_psql('postgres', 'SELECT length(data::text) / 1024 FROM document');
	($before, $after, $end) = split /\|/,
	  timed($node, 'postgres', "A JSON array of $n movements:", q{
		SELECT memory_peak() AS before \gset
		SELECT accum.register_post('json', data) AS stored FROM document \gset
		SELECT :before, memory_peak(), memory_private();});

	note("peak before $before kB, after $after kB, for a text of $size kB; private at the end $end kB");

	# The document, some copies of it in other forms, and work_mem some times over.
	cmp_ok($after - $before, '<', 8 * $size + 32 * 1024, 'an array takes a multiple of its size');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM accum.json_movements'),
		$n, 'all of the array is stored');
	register_is_right($node, 'postgres', 'json', 'after a large array');
	return;
}

sub copy_is_bounded
{
	my ($rows, $cells) = $long ? (1_000_000, 200_000) : (100_000, 20_000);
	my $file = $node->basedir . '/movements.csv';
	my ($before, $after, $end);

	$node->safe_psql('postgres', qq{
		COPY (SELECT 'd' || i / 100, timestamptz '2001-01-01 12:00Z' + i % 31 * interval '1 day',
				'cell ' || i % $cells, i % $cells, 1, 0.5
			  FROM generate_series(1, $rows) AS i) TO '$file' (FORMAT csv)});
	($before, $after, $end) = split /\|/,
	  timed($node, 'postgres', "COPY of $rows rows to $cells cells:", qq{
		SELECT memory_peak() AS before \\gset
		COPY accum.copied_movements (recorder, period, cell, tenant, n, amount)
		FROM '$file' (FORMAT csv);
		SELECT :before, memory_peak(), memory_private();});

	note("peak before $before kB, after $after kB, private at the end $end kB");

	# shared_buffers, the triggers' rows, the delta set, its sort, the rows of a table.
	cmp_ok($after - $before, '<', 64 * 1024, 'COPY stays within some work_mem');
	register_is_right($node, 'postgres', 'copied', 'after COPY');
	return;
}

# Of the movements that COPY has stored.
sub verify_is_bounded
{
	foreach my $call ('register_verify', 'register_rebuild_totals', 'register_rebuild_cache')
	{
		my ($before, $after) = split /\|/,
		  timed($node, 'postgres', "$call:", qq{
			SELECT memory_peak() AS before \\gset
			SELECT count(*) AS done FROM accum.$call('copied') \\gset
			SELECT :before, memory_peak();});

		note("peak before $before kB, after $after kB");

		# shared_buffers, facts, the hash tables and sorts of the query that compares or writes.
		cmp_ok($after - $before, '<', 64 * 1024, "$call stays within some work_mem");
	}
	register_is_right($node, 'postgres', 'copied', 'after rebuilds');
	return;
}
