# meta.pl - META.json is what PGXN's specification asks for, and versions agree.
#
# https://pgxn.org/meta/spec.txt, version 1.0.0; the control file states the version.

use strict;
use warnings;

use JSON::PP;
use Test::More;

my $semver = qr/^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:-[A-Za-z][0-9A-Za-z-]*)?$/;
my $term = qr{^[^\s/\\\x00-\x1f]{2,}$};
my %licenses = map { $_ => 1 } qw(agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd
  gfdl_1_2 gfdl_1_3 gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0 mit mozilla_1_0 mozilla_1_1 openssl perl_5
  postgresql qpl_1_0 ssleay sun zlib open_source restricted unrestricted unknown);
my @known = qw(abstract maintainer license version name description generated_by meta-spec no_index
  prereqs provides release_status resources tags);
my ($version) = slurp('pg_accumulator.control') =~ /^default_version *= *'(.*)'/m;
my $meta = JSON::PP->new->decode(slurp('META.json'));

like($version, $semver, 'the control file states a version');
is($meta->{version}, $version, 'META.json has it');
is($meta->{provides}{pg_accumulator}{version}, $version, 'for the extension, too');
like(slurp('README.md'), qr/^This is version \Q$version\E\b/m, 'README.md has it');
like(slurp('CHANGELOG.md'), qr/^## \[(?:Unreleased|\Q$version\E)\]/m, 'CHANGELOG.md has it, or is open');

# Required fields.
is($meta->{name}, 'pg_accumulator', 'name');
like($meta->{name}, $term, 'name is a term');
ok(length $meta->{$_} && !ref $meta->{$_}, "$_ is a string") foreach qw(abstract license);
ok(strings($meta->{maintainer}), 'maintainer is a string or a list of them');
ok($licenses{ $meta->{license} }, 'license is known');
is($meta->{'meta-spec'}{version}, '1.0.0', 'meta-spec has a version');
is($meta->{'meta-spec'}{url}, 'https://pgxn.org/meta/spec.txt', 'meta-spec has a URL');
is(ref $meta->{provides}, 'HASH', 'provides is a map');
foreach my $extension (keys %{ $meta->{provides} })
{
	my $provided = $meta->{provides}{$extension};

	like($extension, $term, "$extension is a term");
	like($provided->{version}, $semver, "$extension has a version");
	ok(-f $provided->{$_}, "$extension: $_ exists") foreach grep { exists $provided->{$_} || $_ eq 'file' } qw(file docfile);
	is_deeply([ grep { !/^(?:file|version|abstract|docfile|x_.+)$/i } keys %$provided ],
		[], "$extension has known keys");
}

# Others.
my @strange = grep { my $key = $_; $key !~ /^x_/i && !grep { $_ eq $key } @known } keys %$meta;
is_deeply(\@strange, [], 'keys are known');
like($meta->{release_status} // 'stable', qr/^(?:stable|testing|unstable)$/, 'release_status is known');
ok(strings($meta->{tags} // 'none'), 'tags are strings');
foreach my $phase (keys %{ $meta->{prereqs} })
{
	like($phase, qr/^(?:configure|runtime|build|test|develop|x_.+)$/i, "prereqs: phase $phase is known");
	foreach my $relation (keys %{ $meta->{prereqs}{$phase} })
	{
		my $requirements = $meta->{prereqs}{$phase}{$relation};

		like($relation, qr/^(?:requires|recommends|suggests|conflicts|x_.+)$/i, "prereqs: $relation is known");
		like($requirements->{$_}, qr/^(?:0|(?:[<>=!]=?\s*)?[\d.]+)$/, "prereqs: $_ has a version") foreach keys %$requirements;
	}
}

done_testing();

# Is it a string, or a list of some?
sub strings
{
	my ($value) = @_;
	my @strings = ref $value eq 'ARRAY' ? @$value : ($value);

	return @strings && !grep { ref $_ || !defined $_ || $_ eq '' } @strings;
}

sub slurp
{
	my ($file) = @_;

	open my $input, '<', $file or BAIL_OUT("$file: $!");
	local $/;
	return <$input>;
}
