# standby.pl - registers on a physical standby.
#
# A standby answers every question as its primary does, in standard mode and with
# deltas pending, and refuses what writes with error 25006.  Then the primary is
# killed under load and the standby promoted: with synchronous replication every
# acknowledged call is there, derived tables and pending deltas are what movements
# add up to, at once, and posting and folding go on.

use strict;
use warnings;

use lib 'test/t';
use AccumLoad;
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{ACCUM_SECONDS} // ($ENV{ACCUM_LONG} ? 60 : 4);
my @registers = ('standard', 'fast');

# The standby must allow as many connections as the primary.  It waits with what
# conflicts with its queries; the test is about answers, not about conflicts.
my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', load_settings(
		"hot_standby_feedback = on\nmax_standby_streaming_delay = -1\nmax_wal_size = 1GB\n"));
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION pg_accumulator');
load_prepare($primary);
load_register($primary, 'standard', 0);
load_register($primary, 'fast', 1);

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

# From now on what is acknowledged is on the disk of both.
$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'\nsynchronous_commit = on\n");
$primary->reload;
ok($primary->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'}),
	'the standby is synchronous');

my %others = (folds => q{
	SELECT accum._delta_merge_register('fast', '0 seconds', 50);
	SELECT pg_sleep(0.1);} x 20_000);
# Readers on the standby; an answer that is not the sum divides by zero.  A transaction
# reads one register: replay holds the default partitions of all registers in which
# partitions are being made, and could deadlock with who goes from one to the other.
my %readers = map { ("reader of $_" => qq{
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	SELECT 1 / (accum.${_}_balance() ->> 'n' = (SELECT coalesce(sum(n), 0)::text FROM accum.${_}_movements))::integer;
	SELECT 1 / (accum.${_}_balance('{"item": 3}') ->> 'n' = (SELECT coalesce(sum(n), 0)::text FROM accum.${_}_movements WHERE item = 3))::integer;
	SELECT 1 / (differences('$_') = 0)::integer;
	COMMIT;
	SELECT pg_sleep(0.1);} x 20_000) } @registers;

answers_agree();
standby_refuses();
promoted_under_load();

$standby->stop;
done_testing();

# Post for a while, with readers on the standby; then ask both.
sub answers_agree
{
	my $load = clients_start($primary, clients => 3, calls => 100, registers => \@registers);
	my $reading = clients_start($standby, clients => 0, others => \%readers);
	my $pending;

	clients_finish($load, 'posting');
	clients_end($reading);
	clients_finish($reading, 'reading on the standby meanwhile');
	documents_are_right($primary, $load, 'posted', @registers);
	$pending = load_settled($primary, 'fast');
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
	is($standby->safe_psql('postgres', "SELECT (accum._delta_count('fast') > 0)::integer"), $pending,
		'there are deltas pending on the standby, unless the primary folds them');

	foreach my $register (@registers)
	{
		foreach my $question (questions($register))
		{
			my $answer = $primary->safe_psql('postgres', $question);

			$answer = 'an answer' if $answer eq '';
			is($standby->safe_psql('postgres', $question), $answer, "the standby agrees: $question");
		}
		derived_is_right($standby, $register, 'standby');
	}
	return;
}

sub questions
{
	my ($register) = @_;
	my $instant = "timestamptz '2001-01-20 10:00Z'";
	my $document = $primary->safe_psql('postgres', "SELECT min(recorder) FROM accum.${register}_movements");
	my $set = q{string_agg(t::text, ';' ORDER BY t::text COLLATE "C")};

	return (
		"SELECT accum.${register}_balance()",
		qq{SELECT accum.${register}_balance('{"store": "north"}')},
		qq{SELECT accum.${register}_balance('{"store": null, "item": 3}')},
		"SELECT accum.${register}_balance(NULL, $instant)",
		qq{SELECT accum.${register}_balance('{"store": "south", "item": 1}', date '2001-01-31')},
		"SELECT $set FROM accum.${register}_turnover() AS t",
		qq{SELECT $set FROM accum.${register}_turnover(date '1950-01-01', date '2001-02-03',
			group_by => '["store"]') AS t},
		"SELECT $set FROM accum.${register}_turnover($instant, NULL) AS t",
		"SELECT $set FROM accum.${register}_movements() AS t",
		"SELECT $set FROM accum.${register}_movements('$document') AS t",
		"SELECT $set FROM accum.${register}_balances AS t",
		"SELECT $set FROM accum.${register}_balances_at($instant) AS t",
		qq{SELECT $set FROM accum.${register}_statement(NULL, NULL, group_by => '["store"]', unit => 'year') AS t},
		"SELECT $set FROM accum.${register}_balance_cache AS t",
		"SELECT $set FROM accum.register_verify('$register') AS t",
		"SELECT $set FROM accum.register_preview('$register', '$document', NULL) AS t",
		"SELECT accum.register_info('$register')",
		"SELECT accum.register_stats('$register') - 'table_sizes'",
		"SELECT $set FROM accum.register_list() AS t",
		"SELECT accum._delta_count('$register')");
}

# Whatever writes is refused, and says why.
sub standby_refuses
{
	my $movement = q{'{"recorder": "d", "period": "2001-01-01", "store": "north", "item": 1, "n": 1, "call": 1}'};
	my @statements = (
		(map { (
			"SELECT accum.register_post('$_', $movement)",
			"SELECT accum.register_post('$_', " . ($movement =~ s/2001-01-01/2050-01-01/r) . ')',
			"SELECT accum.register_repost('$_', 'd', $movement)",
			"SELECT accum.register_repost('$_', 'client 1, document 3', '[]')",
			"SELECT accum.register_unpost('$_', 'client 1, document 3')",
			"SELECT accum.register_unpost('$_', ARRAY['client 1, document 3'])",
			"INSERT INTO accum.${_}_movements (recorder, period, n) VALUES ('d', '2001-01-01', 1)",
			"DELETE FROM accum.${_}_movements",
			"SELECT accum.register_post('$_', $movement, true)",
			"SELECT accum.register_reconcile('$_', 'count', '2001-01-01', '[]')",
			"SELECT accum.register_close('$_', '2001-01-01')",
			"SELECT accum.register_reopen('$_', '2001-01-01')",
			"SELECT accum.register_known_until('$_')",
			"SELECT accum.register_repair('$_')",
			"SELECT accum.register_clear('$_', true)",
			"SELECT accum.register_rebuild_totals('$_')",
			"SELECT accum.register_rebuild_cache('$_')",
			"SELECT accum.register_alter('$_', high_write => " . ($_ eq 'fast' ? 'false' : 'true') . ')',
			"SELECT accum.register_alter('$_', add_resources => '{\"more\": \"bigint\"}')",
			"SELECT accum.register_drop('$_', true)") } @registers),
		"SELECT accum._delta_merge_register('fast', '0 seconds')",
		"SELECT accum._delta_flush_register('fast')",
		"SELECT accum._force_delta_merge()",
		"SELECT accum._delta_merge()",
		"SELECT accum.register_create('another', '{\"a\": \"text\"}', '{\"n\": \"bigint\"}')");

	foreach my $statement (@statements)
	{
		like(error_of($statement), qr/ERROR:  25006: /, "the standby refuses: $statement");
	}
	return;
}

sub error_of
{
	my ($statement) = @_;
	my (undef, undef, $stderr) = $standby->psql('postgres', "\\set VERBOSITY verbose\n$statement");

	return $stderr;
}

# Kill the primary while clients post, and go on with the standby.
sub promoted_under_load
{
	my ($load, $acknowledged, $found);

	$load = clients_start($primary, clients => 4, calls => 20_000, registers => \@registers,
		others => \%others);
	clients_wait($load, $seconds);
	clients_kill_server($primary);
	clients_finish($load, 'primary killed');
	$standby->promote;
	derived_is_right($standby, $_, 'promoted') foreach @registers;
	($acknowledged, $found) = documents_are_right($standby, $load, 'promoted', @registers);
	cmp_ok($acknowledged, '>', 0, 'calls were acknowledged before the primary was killed');
	note("$acknowledged calls acknowledged, all there; $found there that were not acknowledged; "
		  . $standby->safe_psql('postgres', "SELECT accum._delta_count('fast')") . ' deltas pending');

	$load = clients_start($standby, clients => 4, calls => 100, registers => \@registers,
		others => { folds => $others{folds} });
	clients_finish({ clients => $load->{clients}, others => [] }, 'after promotion');
	clients_end($load);
	clients_finish({ clients => [], others => $load->{others} }, 'after promotion');
	($acknowledged) = documents_are_right($standby, $load, 'after promotion', @registers);
	is($acknowledged, 400, 'posting goes on');
	derived_is_right($standby, $_, 'after promotion') foreach @registers;
	$standby->safe_psql('postgres', "SELECT accum._delta_flush_register('fast')");
	is($standby->safe_psql('postgres', "SELECT accum._delta_count('fast')"), 0, 'folding goes on');
	derived_is_right($standby, $_, 'folded') foreach @registers;
	register_is_right($standby, 'postgres', 'standard', 'at the end');
	return;
}
