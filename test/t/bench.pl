# bench.pl - the benchmark runs, and notices when what it compares does not agree.
#
# All its parts but bench/instructions are run with next to no data: this measures
# nothing, but every statement of it is run.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @parts = qw(posts batches documents reads history limits ledger contention endtoend growth);
my $node = new_server('bench', bare => 1);

local %ENV = (%ENV, QUICK => 'tiny', PGHOST => $node->host, PGPORT => $node->port,
	PGDATABASE => 'postgres');
my ($output, $errors) = ('', '');
ok( IPC::Run::run(['bench/measure', @parts], '>', \$output, '2>', \$errors), 'all parts run')
  or diag($errors);
is($errors =~ s/^[\d:]+ //gmr, join('', map { "$_\n" } @parts), 'without messages');

# Each line of a table has as many columns as its heading, and a number in the second.
my ($columns, $lines, @odd) = (0, 0);
foreach my $line (split /\n/, $output)
{
	my $found = () = $line =~ /\|/g;

	if ($line =~ /^\| ---/) { $columns = $found; next; }
	if ($found == 0) { $columns = 0; next; }
	next if $columns == 0;
	$lines++;
	push @odd, $line if $found != $columns || $line !~ /^\| [^|]+ \| (\d[\d.,]*|[a-z_]+ \| \d.*) \|/;
}
cmp_ok($lines, '>', 100, 'tables have lines');
is(join("\n", @odd), '', 'and lines have numbers');

# A movement that only two of the three have.
$node->safe_psql('postgres', 'CREATE DATABASE disagreement');
my @psql = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'disagreement');
$node->command_ok(
	[@psql, (map { ('-f', "bench/$_.sql") } qw(measurement solutions tasks)),
		'-c', 'SELECT bench.fill(10, 5, per_batch => 1, arrays => true)',
		'-c', 'CALL bench.plain_post()', '-c', 'CALL bench.by_hand_post()',
		'-c', 'CALL bench.register_json()', '-c', 'SELECT bench.check()'],
	'the three ways agree');
$node->command_fails_like(
	[@psql, '-c', 'DELETE FROM by_hand.movements WHERE warehouse = (SELECT min(warehouse) FROM plain)',
		'-c', 'SELECT bench.check()'],
	qr/ERROR:  [1-9]\d* rows of totals_day differ/, 'and it is noticed when they do not');

$node->stop;
done_testing();
