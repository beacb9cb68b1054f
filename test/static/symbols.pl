# symbols.pl - what the library exports is named after it, or known to PostgreSQL.
#
# Other extensions live in the same process: a name without prefix may be theirs.

use strict;
use warnings;

use Test::More;

my $version = `$ENV{PG_CONFIG} --version` =~ /(\d+)/ ? $1 : BAIL_OUT('pg_config tells no version');
my @symbols = map { (split)[-1] } split /\n/, `nm --dynamic --defined-only pg_accumulator.so`;
my @postgres = ('Pg_magic_func', '_PG_init');
my (%called, %declared, @exported);

foreach my $file (glob('sql/*.sql'))
{
	$called{$_} = 1 foreach slurp($file) =~ /'MODULE_PATHNAME', '(\w+)'/g;
}
foreach my $file (glob('src/*.c'))
{
	$declared{$_} = 1 foreach slurp($file) =~ /^PG_FUNCTION_INFO_V1\((\w+)\)/mg;
}
cmp_ok(scalar(keys %called), '>', 50, 'SQL calls functions of the library');
is_deeply([ sort keys %declared ], [ sort keys %called ], 'each function for SQL is called from there');

cmp_ok(scalar(@symbols), '>', scalar(keys %called), 'the library exports symbols');
my @others = grep { !/^accum_|^pg_finfo_accum_/ } @symbols;
is_deeply([ sort @others ], [ sort @postgres ], 'they have a prefix');

# Since PostgreSQL 16 what was not meant for others is hidden from them; main functions of
# background workers are.
push @exported, slurp($_) =~ /^PGDLLEXPORT .*?(\w+)\(/mg foreach glob('src/*.c');
SKIP:
{
	skip 'PostgreSQL 15 hides nothing', 1 if $version < 16;
	is_deeply([ sort @symbols ], [ sort @postgres, @exported, map { ($_, "pg_finfo_$_") } keys %called ],
		'nothing else is exported');
}

done_testing();

sub slurp
{
	my ($file) = @_;

	open my $input, '<', $file or BAIL_OUT("$file: $!");
	local $/;
	return <$input>;
}
