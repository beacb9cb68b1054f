# fuzz_json.pl - documents in JSON that libFuzzer makes up.
#
# The extension is built by clang so that it tells libFuzzer which of its branches an
# input has taken, and stops where its behaviour is undefined; libFuzzer changes the
# inputs that took new ones.  It runs inside a single-user backend: test/fuzz/fuzz_json.c.
#
# Some ten thousand inputs from a fixed seed, with ACCUM_LONG=1 ten minutes of them.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($clang) = slurp_file(pg_config('--pgxs') =~ s/makefiles\/pgxs\.mk$/Makefile.global/r) =~ /^CLANG = (\S+)/m;
plan skip_all => 'this PostgreSQL was built without clang' unless $clang;
my $runtime = `$clang -print-resource-dir` =~ s/\s+$//r . '/lib/linux/libclang_rt.fuzzer_no_main-' . (`uname -m` =~ s/\s+$//r) . '.a';
plan skip_all => "there is no libFuzzer: $runtime" unless -f $runtime;

my $directory = $PostgreSQL::Test::Utils::tmp_check . '/fuzz_json';
my $library = "$directory/fuzz_json.so";
my $log = "$directory/log";

mkdir $directory;
# Wrapping integers and aliased pointers are what PostgreSQL itself is compiled for.
my ($version) = slurp_file('pg_accumulator.control') =~ /^default_version *= *'(.*)'/m;
system_or_bail('sh', '-c', "$clang -w -O1 -fPIC -fwrapv -fno-strict-aliasing"
	  . ' -fsanitize=fuzzer-no-link,undefined -fsanitize-trap=undefined -D_GNU_SOURCE'
	  . " -DACCUM_VERSION='\"$version\"'"
	  . " -Isrc -I'" . pg_config('--includedir-server') . "' -shared -o '$library' src/*.c test/fuzz/fuzz_json.c"
	  . " -Wl,--whole-archive '$runtime' -Wl,--no-whole-archive -lstdc++ -lm");

# A register and a ledger with columns of all kinds, in the database "fuzz".
my $node = new_server('fuzz_json');
$node->safe_psql('postgres', q{CREATE DATABASE fuzz});
$node->safe_psql('fuzz', q{
	CREATE EXTENSION pg_accumulator;
	CREATE TYPE grade AS ENUM ('good', 'poor');
	SELECT accum.register_create('stock', '[{"name": "w", "type": "text", "required": true}, {"name": "k", "type": "public.grade"},
			{"name": "u", "type": "uuid"}, {"name": "made", "type": "date"}, {"name": "flag", "type": "boolean"}]',
		'{"q": "numeric(12,2)", "s": "smallint"}', attributes => '{"note": "varchar(10)"}', time_zone => 'Europe/London', partition_by => 'year');
	SELECT accum.register_create('books', '{"currency": "text"}', '[{"name": "amount", "type": "numeric(18,2)"}, {"name": "pieces", "type": "int", "balanced": false}]', kind => 'ledger', chart => 'open', partition_by => 'year');});
# The extension's functions, too, are those of the instrumented library.  No session has both.
$node->safe_psql('fuzz', "UPDATE pg_proc SET probin = '$library' WHERE probin = '\$libdir/pg_accumulator'");
$node->safe_psql('fuzz', "CREATE FUNCTION fuzz_json(statements text[], arguments text[]) RETURNS void LANGUAGE c STRICT AS '$library'");
$node->stop;

my @seeds = (
	'{"recorder": "d", "period": "2001-03-04 10:00", "w": "x", "k": "good", "u": null, "made": "2001-01-01", "flag": false, "q": 5.25, "s": 7, "note": "n"}',
	'[{"recorder": "d", "period": "2001-03-04T10:00:00+02:00", "movement_type": "storno", "w": "", "k": null, "u": "00000000-0000-0000-0000-000000000001", "made": null, "flag": true, "q": "-1.5", "s": -1}]',
	'{"recorder": "d", "period": "2001-03-04", "account_dr": "60", "account_cr": "51", "currency": "EUR", "amount": 10, "pieces_dr": 1, "subconto_dr": {"a": 1, "b": "x"}}',
	'{"recorder": "d", "period": "2001-03-04", "currency": "EUR", "entries": [{"account": "60", "subconto": {"a": 1.0}, "debit": {"amount": 10}}, {"account": "51", "credit": {"amount": 4}}, {"account": "52", "credit": {"amount": 6, "pieces": 2}}]}');
my @words = (',', qw([ ] { } : null true false 0 -1 1.5 1e400 99999999999999999999 "NaN" "infinity" "now" entries debit credit account subconto
	account_dr account_cr subconto_dr subconto_cr pieces_dr pieces_cr recorder period movement_type regular adjustment storno currency amount pieces
	dim_hash recorded_at id), '2001-03-04', '\u0000', '\ud83d');
mkdir "$directory/corpus";
append_to_file("$directory/corpus/$_", $seeds[$_]) for 0 .. $#seeds;
append_to_file("$directory/words", join '', map { '"' . s/(["\\])/\\$1/gr . "\"\n" } @words);

my @statements = ("SELECT accum.register_post('stock', \$1)", "SELECT accum.register_repost('stock', 'd', \$1)",
	"SELECT accum.register_post('books', \$1)", "SELECT count(*) FROM accum.register_preview('books', 'd', \$1)");
# The backend's own signal handlers stay, but for crashes.
my @arguments = ('fuzz_json', "$directory/corpus", "-dict=$directory/words", "-artifact_prefix=$directory/", '-max_len=600', '-len_control=0',
	'-timeout=0', '-rss_limit_mb=0', '-handle_int=0', '-handle_term=0', '-handle_usr1=0', '-handle_usr2=0', '-handle_xfsz=0',
	$ENV{ACCUM_LONG} ? '-max_total_time=60' : '-runs=10000');

# Each round is one transaction, which grows slow with the partitions that were made in
# it and undone.  What a round has found is where the next one begins.
fuzz($_) for 1 .. $ENV{ACCUM_LONG} ? 10 : 1;

# Nothing has been stored, and the server comes up.
$node->start;
is($node->safe_psql('fuzz', 'SELECT count(*) FROM accum.stock_movements'), '0', 'all was rolled back');
$node->stop;
done_testing();

sub fuzz
{
	my ($round) = @_;
	my @lists = map { 'ARRAY[' . join(', ', map { "'" . s/'/''/gr . "'" } @$_) . ']' } \@statements, [ @arguments, "-seed=2026010$round" ];

	append_to_file("$directory/call", 'SELECT fuzz_json(' . join(', ', @lists) . ")\n");
	my $status = system("postgres --single -D '" . $node->data_dir . "' fuzz < '$directory/call' > '$log' 2>&1");
	unlink("$directory/call");
	my $output = slurp_file($log);
	is($status, 0, "round $round: libFuzzer has found nothing") or diag(substr $output, -5000);
	like($output, qr/^Done \d+ runs/m, 'and has come to its end');
	note($1) if $output =~ /^(Done .*)/m;
	my ($first) = $output =~ /INITED cov: (\d+)/;
	my ($last) = $output =~ /.*cov: (\d+)/s;
	cmp_ok($last, $round == 1 ? '>' : '>=', $first, 'its inputs have led to more of the code than those it began with');
	return;
}

sub pg_config
{
	my ($option) = @_;

	return `$ENV{PG_CONFIG} $option` =~ s/\s+$//r;
}
