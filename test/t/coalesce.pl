# coalesce.pl - what a transaction has added up, and two-phase commit.
#
# It is written when the transaction is prepared: others see it when that is
# committed, also after a crash, and an error comes with PREPARE TRANSACTION.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('coalesce',
	conf => "max_prepared_transactions = 5\npg_accumulator.coalesce = on\n");

$node->safe_psql('postgres', q{
	SELECT accum.register_create('plain', '{"w": "int"}', '{"q": "int"}');
	SELECT accum.register_create('high', '{"w": "int"}', '{"q": "int"}', high_write => true);
	CREATE FUNCTION add(register text, w int, q int) RETURNS int LANGUAGE sql VOLATILE AS
		$$ SELECT accum.register_post(register, jsonb_build_object('recorder', 'd' || w,
			'period', '2020-01-01', 'w', w, 'q', q)) $$;});

my $balances = q{SELECT accum.plain_balance() ->> 'q', accum.high_balance() ->> 'q'};
my $statuses = q{SELECT DISTINCT status FROM unnest('{plain,high}'::text[]) AS r, accum.register_verify(r)};

$node->safe_psql('postgres', q{
	BEGIN; SELECT add('plain', 1, 1), add('high', 1, 2), add('plain', 1, 4), add('high', 2, 8);
	PREPARE TRANSACTION 'kept';
	BEGIN; SELECT add('plain', 3, 100), add('high', 3, 100); PREPARE TRANSACTION 'undone';});
is($node->safe_psql('postgres', $balances), '0|0', 'nobody sees what is prepared');

$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', q{COMMIT PREPARED 'kept'});
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'undone'});
is($node->safe_psql('postgres', $balances), '5|10', 'what was prepared is there after a crash');
is($node->safe_psql('postgres', $statuses), 'OK', 'derived tables are right');

my ($status, $out, $err) = $node->psql('postgres', q{
	BEGIN; SELECT add('plain', 1, 2000000000), add('plain', 1, 2000000000);
	PREPARE TRANSACTION 'too much';});
like($err, qr/sum in register "plain" is out of range/, 'an error comes with PREPARE TRANSACTION');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'nothing is prepared');
is($node->safe_psql('postgres', $balances), '5|10', 'nothing has changed');
is($node->safe_psql('postgres', $statuses), 'OK', 'derived tables are right');

$node->stop;
done_testing();
