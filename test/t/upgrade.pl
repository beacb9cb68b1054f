# upgrade.pl - registers survive pg_upgrade.
#
# Files of tables are taken over as they are, the catalogs through pg_dump: registers of
# every kind, what is pending, closed, granted, limited and archived.  The workers of
# either server must leave registers alone meanwhile.
#
# Between servers of one version; ACCUM_OLD_BINDIR names the programs of an older one, which
# must have the extension installed.  ACCUM_UPGRADE_MODE is an option of pg_upgrade,
# --link or --clone.

use strict;
use warnings;

use lib 'test/t';
use AccumMoved;
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Eager workers: what is pending is pending at the end, too.
my $conf = <<'END';
shared_preload_libraries = 'pg_accumulator'
pg_accumulator.background_workers = 1
pg_accumulator.maintenance_interval = 100
pg_accumulator.delta_merge_interval = 100
pg_accumulator.delta_merge_delay = 0
END
my $new = PostgreSQL::Test::Cluster->new('new');
my $new_bindir = $new->config_data('--bindir');
my $old_bindir = $ENV{ACCUM_OLD_BINDIR} // $new_bindir;
my $old = PostgreSQL::Test::Cluster->new('old', install_path => $old_bindir =~ s{/bin$}{}r);

# Both of one kind: as the newest version makes them, or as all do.
$old->init(extra => [ '--locale=C', '--encoding=UTF8' ]);
$old->start;
$old->safe_psql('postgres', 'CREATE EXTENSION pg_accumulator');
make_registers($old);

# A second database, with a register of the same name, and one without.
$old->safe_psql('postgres', 'CREATE DATABASE second');
$old->safe_psql('postgres', 'CREATE DATABASE bare');
$old->safe_psql('second', q{
	CREATE EXTENSION pg_accumulator;
	SELECT accum.register_create('stock', '{"product": "text"}', '{"n": "integer"}', partition_by => 'year');
	SELECT accum.register_post('stock', '{"recorder": "d", "period": "2020-05-05", "product": "1", "n": 5}')});
my $before = remember($old, 'postgres');
my $oids = $old->safe_psql('postgres', q{SELECT 'accum.stock_movements'::regclass::oid, 'quality'::regtype::oid});
$old->append_conf('postgresql.conf', $conf);
$old->stop;

$new->init(extra => [ '--locale=C', '--encoding=UTF8', checksums($old) ]);
$new->append_conf('postgresql.conf', $conf);
chdir $PostgreSQL::Test::Utils::tmp_check;
my @pg_upgrade = (
	'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old_bindir,
	'-B', $new_bindir, '-s', $new->host, '-p', $old->port, '-P', $new->port,
	$ENV{ACCUM_UPGRADE_MODE} // ());
command_ok([ @pg_upgrade, '--check' ], 'pg_upgrade --check finds nothing');
command_ok(\@pg_upgrade, 'pg_upgrade');
chdir '..';

# What workers have done by now, they did during the upgrade.
$new->adjust_conf('postgresql.conf', 'pg_accumulator.background_workers', '0');
$new->start;
is($new->safe_psql('postgres', q{SELECT 'accum.stock_movements'::regclass::oid, 'quality'::regtype::oid}),
	$oids, 'OIDs are the same');
came_along($new, 'postgres', $before);
is($new->safe_psql('second', q{
		SELECT accum.register_post('stock', '{"recorder": "e", "period": "2020-05-05", "product": "1", "n": 5}');
		SELECT product, n FROM accum.stock_balances; SELECT DISTINCT status FROM accum.register_verify('stock')}),
	"1\n1|10\nOK", 'the second database has its register');
is($new->safe_psql('bare', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'accum'}), 0, 'the other one none');

# Workers go on, and so does the guard.
$new->safe_psql('postgres', q{SELECT accum.register_alter('fast', high_write => true)});
$new->safe_psql('postgres', q{SELECT accum.register_post('fast', '{"recorder": "later", "period": "2020-01-05", "product": "new", "n": 3}')});
$new->adjust_conf('postgresql.conf', 'pg_accumulator.background_workers', '1');
$new->restart;
ok($new->poll_query_until('postgres', q{SELECT accum._delta_count('fast') = 0}), 'workers fold');
like(($new->psql('postgres', 'DROP TABLE accum.stock_totals_day CASCADE'))[2], qr/register_drop/, 'tables are guarded');
is($new->safe_psql('postgres', q{SELECT accum.register_drop(name, true) IS NULL FROM accum._registers; DROP EXTENSION pg_accumulator; SELECT 1}) =~ tr/1//,
	1, 'registers and the extension can be dropped');

$new->stop;
done_testing();

# Servers must agree on checksums, which are the default since PostgreSQL 18.
sub checksums
{
	my ($node) = @_;
	my ($version) = run_command([ "$old_bindir/pg_controldata", $node->data_dir ]);

	return '--data-checksums' if $version =~ /checksum version: +[1-9]/;
	return $new->pg_version >= 18 ? '--no-data-checksums' : ();
}
