# once.pl - 16 clients post the same documents at the same moment, once.
#
# Each client posts document after document with p_once.  All clients begin with the
# same one, and whoever is ahead is waited for, so they stay together.  Every call
# has to return what the first one returned, and every document to be there once.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($clients, $documents) = (16, 60);
my $node = new_server('once', conf => "max_connections = 50\n");

$node->safe_psql('postgres', q{
	CREATE TABLE tries (register text, client int, document int, stored int);
	-- Three lines in two months, and one that another document has, too.
	CREATE FUNCTION lines(document int) RETURNS jsonb LANGUAGE sql RETURN (
		SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || document, 'cell', i % 2, 'n', i + document,
			'period', timestamp '2026-01-20' + i * interval '10 days')) FROM generate_series(1, 3) AS i)
		|| jsonb_build_object('recorder', 'shared' || document / 10, 'cell', 1, 'n', 1, 'period', '2026-01-20');});

foreach my $isolation ('read committed', 'repeatable read', 'serializable')
{
	foreach my $high_write ('false', 'true')
	{
		my $register = ($isolation =~ s/ /_/gr) . ($high_write eq 'true' ? '_hot' : '');

		$node->safe_psql('postgres', qq{SELECT accum.register_create('$register', '{"cell": "int"}',
			'{"n": "int"}', high_write => $high_write)});
		local $ENV{PGOPTIONS} = '-c default_transaction_isolation=' . ($isolation =~ s/ /\\ /gr);
		$node->pgbench("--no-vacuum --client=$clients --transactions=$documents --max-tries=10000",
			0, [qr/number of failed transactions: 0/], [qr/^$/],
			"$register: $clients clients, $documents documents",
			{ "once_$register" => qq{
				INSERT INTO tries SELECT '$register', :client_id, d, accum.register_post('$register', lines(d::int), true)
				FROM (SELECT count(*) + 1 AS d FROM tries WHERE register = '$register' AND client = :client_id) AS next;} });
		is($node->safe_psql('postgres', qq{
				SELECT stored, count(*) FROM tries WHERE register = '$register' GROUP BY stored}),
			'4|' . $clients * $documents, "$register: every try returns the same");
		is($node->safe_psql('postgres', qq{
				SELECT count(*) FILTER (WHERE recorder LIKE 'd%'), count(DISTINCT recorder),
					count(*) FILTER (WHERE recorder LIKE 'shared%') FROM accum.${register}_movements}),
			join('|', 3 * $documents, $documents + 7, 7), "$register: every document is there once");
		register_is_right($node, 'postgres', $register, $register);
	}
}

$node->stop;
done_testing();
