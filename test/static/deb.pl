# deb.pl - the package that "make deb" makes has everything in its place.

use strict;
use warnings;

use Test::More;

plan skip_all => $ENV{ACCUM_DEB_MISSING} if $ENV{ACCUM_DEB_MISSING};

my $deb = $ENV{ACCUM_DEB};
my ($minor, $major) = `$ENV{PG_CONFIG} --version` =~ /((\d+)\S*)/;
my ($version) = slurp('pg_accumulator.control') =~ /^default_version *= *'(.*)'/m;
my %fields = map { /^(\S+): (.*)/ ? ($1 => $2) : () } split /\n/, `dpkg-deb --field $deb`;
my (%files, %modes);

foreach my $line (split /\n/, `dpkg-deb --contents $deb`)
{
	my ($mode, $owner, $name) = (split ' ', $line, 6)[ 0, 1, 5 ];

	is($owner, 'root/root', "$name belongs to root");
	next if $name =~ m{/$};
	$files{ $name =~ s/^\.//r } = $mode;
}

is($fields{Package}, "postgresql-$major-accumulator", 'it is named after the server');
is($fields{Version}, "$version-1", 'it has the version of the control file');
like($fields{Depends}, qr/^postgresql-$major \(>= \Q$minor\E\), libc6 \(/, 'it needs the server, and what the library does');
is($fields{Architecture}, `dpkg --print-architecture` =~ s/\n//r, 'it is of this architecture');
like($fields{'Installed-Size'}, qr/^[1-9]\d+$/, 'it says how large it is');
like($fields{Maintainer}, qr/^.+ <.+@.+>$/, 'and who has made it');

my $doc = "/usr/share/doc/$fields{Package}";
my %expected = (
	"/usr/lib/postgresql/$major/lib/pg_accumulator.so" => '-rwxr-xr-x',
	map({ ("/usr/share/postgresql/$major/extension/$_" => '-rw-r--r--') } 'pg_accumulator.control',
		"pg_accumulator--$version.sql", map({ s{^sql/}{}r } glob('sql/pg_accumulator--*--*.sql'))),
	map({ ("$doc/$_" => '-rw-r--r--') } 'copyright', 'changelog.gz', 'changelog.Debian.gz', 'README.md', glob('docs/*.md docs/*/*.md')));
is_deeply(\%files, \%expected, 'it has these files and no others');

my $script = `dpkg-deb --fsys-tarfile $deb | tar -xO ./usr/share/postgresql/$major/extension/pg_accumulator--$version.sql`;
is($script, join('', map { slurp($_) } sort glob('sql/[0-9][0-9]_*.sql')), 'the script is made of its parts');
unlike(`dpkg-deb --fsys-tarfile $deb | tar -xO ./usr/lib/postgresql/$major/lib/pg_accumulator.so`, qr{/tmp/|/source/},
	'the library does not tell where it was built');

done_testing();

sub slurp
{
	my ($file) = @_;

	open my $input, '<', $file or BAIL_OUT("$file: $!");
	local $/;
	return <$input>;
}
