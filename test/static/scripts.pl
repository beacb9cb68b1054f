# scripts.pl - shell scripts and Perl programs are sound as far as tools can tell.

use strict;
use warnings;

use File::Find;
use Test::More;

my (@shell, @perl);

find(
	{
		no_chdir => 1,
		wanted => sub {
			return unless -f && !-l;
			push @perl, $_ if /\.(?:pl|pm)$/;
			push @shell, $_ if /\.sh$/ || (-x && first_line($_) =~ m{^#!.*\b(?:ba|da)?sh\b});
		}
	},
	grep { -d } qw(tools bench test .ci demo clients));
cmp_ok(scalar(@shell), '>', 5, 'there are shell scripts');
cmp_ok(scalar(@perl), '>', 20, 'there are Perl programs');

foreach my $file (sort @shell)
{
	is(output('shellcheck', '--external-sources', $file), '', "$file");
}

# PostgreSQL's modules for tests lie beside pg_regress.
my $modules = $ENV{PG_REGRESS} =~ s{/test/regress/pg_regress$}{/test/perl}r;
ok(-d $modules, 'there are modules to compile with');
foreach my $file (sort @perl)
{
	is(output($^X, "-I$modules", '-Itest/t', '-wc', $file), "$file syntax OK\n", "$file compiles");
}

done_testing();

sub first_line
{
	my ($file) = @_;

	open my $input, '<', $file or return '';
	return scalar(<$input>) // '';
}

# What a command says, on both channels.
sub output
{
	my (@command) = @_;
	my $pid = open(my $pipe, '-|') // BAIL_OUT("cannot fork: $!");

	if ($pid == 0)
	{
		open(STDERR, '>&', \*STDOUT);
		exec @command or die "$command[0]: $!\n";
	}
	local $/;
	return scalar(<$pipe>) // '';
}
