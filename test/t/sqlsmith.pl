# sqlsmith.pl - no statement that can be made up brings the server down.
#
# SQLsmith writes random statements over all tables and functions that a role may use,
# those of registers among them.  Most fail; what counts is that no backend dies and
# that registers are right afterwards.
#
# Some hundred statements, with ACCUM_LONG=1 ten minutes of them.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'sqlsmith is not installed' if system('sqlsmith --version >/dev/null 2>&1') != 0;

my $node = new_server('sqlsmith', conf => "restart_after_crash = off\n");

# An ordinary role, so that it cannot stop the server by what PostgreSQL offers for it.
$node->safe_psql('postgres', q{
	CREATE ROLE smith LOGIN;
	ALTER ROLE smith SET statement_timeout = '1s';
	GRANT CREATE ON SCHEMA accum TO smith;
	SET ROLE smith;
	SELECT accum.register_create(name, '{"a": "text", "b": "integer", "c": "date"}',
		'{"n": "numeric(12,2)", "m": "bigint"}', kind => kind, high_write => high_write, partition_by => 'year',
		attributes => '{"note": "text"}')
	FROM (VALUES ('one', 'balance', false), ('two', 'balance', true), ('three', 'turnover', false)) AS v (name, kind, high_write);
	SELECT accum.register_post(name, (SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || i % 10,
			'period', timestamp '2001-01-01' + i * interval '9 days', 'a', nullif(i % 5, 0), 'b', nullif(i % 7, 0),
			'c', null, 'n', i, 'm', -i, 'note', null)) FROM generate_series(1, 100) AS i))
	FROM unnest(ARRAY['one', 'two', 'three']) AS name;});

my @command = ('sqlsmith', '--seed=20260101', '--exclude-catalog',
	'--target=host=' . $node->host . ' port=' . $node->port . ' dbname=postgres user=smith');
my $output = $PostgreSQL::Test::Utils::tmp_check . '/sqlsmith';

@command = $ENV{ACCUM_LONG} ? ('timeout', '600', @command) : (@command, '--max-queries=400');
my $status = system(join(' ', map { "'$_'" } @command) . " >'$output' 2>&1") >> 8;
ok($status == 0 || ($ENV{ACCUM_LONG} && $status == 124), 'sqlsmith has come to its end')
  or diag(slurp_file($output));

is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server is there');
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP|PANIC/, 'and no backend has died');
like(slurp_file($node->logfile), qr/accum/, 'statements were about registers');
foreach my $register (split /\n/, $node->safe_psql('postgres', 'SELECT name FROM accum._registers'))
{
	register_is_right($node, 'postgres', $register, 'after it');
	is($node->safe_psql('postgres', "SELECT DISTINCT status FROM accum.register_verify('$register')"), 'OK', "$register: verified");
}

$node->stop;
done_testing();
