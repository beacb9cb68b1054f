# includes.pl - includes of src/ run one way, and stand in order.
#
# A module is a .c file with its header.  Modules that include each other, by
# whatever detour, are no modules.

use strict;
use warnings;

use File::Basename;
use Test::More;

my @files = sort glob('src/*.c src/*.h');
my (%texts, %uses);

foreach my $file (@files)
{
	my ($module, undef, $suffix) = fileparse($file, '.c', '.h');

	open my $input, '<', $file or BAIL_OUT("$file: $!");
	$texts{$file} = do { local $/; <$input> };
	foreach my $header ($texts{$file} =~ /^#include "(\w+)\.h"$/mg)
	{
		next unless -e "src/$header.h";
		$uses{$module}{$header} = 1 unless $header eq $module;
	}
	in_order($file, $texts{$file}) if $suffix eq '.c';
	knows_no_version($file, $texts{$file});
}
cmp_ok(scalar(@files), '>', 50, 'there are files to look at');
is(circle(), '', 'includes run one way');

done_testing();

# postgres.h comes first, then groups, each in the order of the alphabet; the file's own
# header is among them.
sub in_order
{
	my ($file, $text) = @_;
	my ($first, @includes) = $text =~ /^#include ["<]([^">]+)[">]$/mg;
	my $own = basename($file, '.c') . '.h';
	my @disorder;

	like($first, qr/^(?:postgres|pure)\.h$/, "$file begins with postgres.h");
	ok((grep { $_ eq $own } @includes), "$file includes its own header") if -e "src/$own";
	while ($text =~ /((?:^#include .*\n)+)/mg)
	{
		my @group = $1 =~ /["<]([^">]+)[">]/g;

		push @disorder, grep { $group[$_ - 1] gt $group[$_] } 1 .. $#group;
	}
	is(scalar(@disorder), 0, "$file: includes are sorted");
	return;
}

sub knows_no_version
{
	my ($file, $text) = @_;

	unlike($text, qr/PG_VERSION_NUM|PG_MAJORVERSION/, "$file leaves versions to compat.h")
	  unless $file eq 'src/compat.h';
	return;
}

# Modules that form a circle, or '' when there is none: what uses nothing that is left
# is taken away until all are gone, or none can go.
sub circle
{
	my %left = map { $_ => { %{ $uses{$_} } } } keys %uses;

	while (1)
	{
		foreach my $module (keys %left)
		{
			delete @{ $left{$module} }{ grep { !exists $left{$_} } keys %{ $left{$module} } };
		}
		my @leaves = grep { !%{ $left{$_} } } keys %left;
		last unless @leaves;
		delete @left{@leaves};
	}
	return join(' ', sort keys %left);
}
