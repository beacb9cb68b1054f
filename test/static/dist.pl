# dist.pl - what "make dist" makes is what PGXN and whoever builds from it need.

use strict;
use warnings;

use IO::Uncompress::Unzip qw($UnzipError);
use Test::More;

plan skip_all => 'this is no git repository' unless $ENV{ACCUM_DIST};

my $zip = IO::Uncompress::Unzip->new($ENV{ACCUM_DIST}) or BAIL_OUT("$ENV{ACCUM_DIST}: $UnzipError");
my %contents;
do
{
	local $/;
	my $name = $zip->getHeaderInfo->{Name};
	$contents{$name} = <$zip> // '';
} while ($zip->nextStream > 0);

my ($version) = $contents{ (grep { m{^[^/]+/pg_accumulator\.control$} } keys %contents)[0] // '' } =~
  /^default_version *= *'(.*)'/m;
my $prefix = 'pg_accumulator-' . ($version // '') . '/';
my %files = map { s/^\Q$prefix\E//r => 1 } grep { !m{/$} } keys %contents;

is_deeply([ grep { index($_, $prefix) != 0 } keys %contents ], [], "everything is in $prefix");
ok($files{$_}, "$_ is there")
  foreach qw(META.json Makefile README.md LICENSE CHANGELOG.md pg_accumulator.control docs/reference.md
  src/pg_accumulator.c sql/00_guard.sql test/sql/post.sql expected/post.out);
is_deeply([ grep { m{^\.|\.(?:o|bc|so|zip)$|--.*\.sql$} } keys %files ], [], 'and nothing that is built, or hidden');

done_testing();
