# crash.pl - a server that is killed under load.
#
# Clients post, repost and cancel documents, backdated ones too, which makes
# partitions; others fold, check, create and drop registers, and change the mode of
# one.  With ACCUM_WORKER=1 background workers fold, too.  At a random moment
# the postmaster and its children get SIGKILL.  As soon as the server is up again,
# without any repair, every acknowledged call is there and the one that was not
# acknowledged is there as a whole or not at all; derived tables and pending deltas
# are what movements add up to; and registers have all of their relations or none.
#
# In every other round children are left to notice the postmaster's death.
#
# Three crashes, ACCUM_KILLS or twenty with ACCUM_LONG=1.

use strict;
use warnings;

use lib 'test/t';
use AccumLoad;
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $kills = $ENV{ACCUM_KILLS} // ($ENV{ACCUM_LONG} ? 20 : 3);
my @registers = ('standard', 'fast', 'switched');
my $seed = $ENV{ACCUM_SEED} // 20260501;
my %sum = (acknowledged => 0, found => 0);

note("seed $seed");
srand $seed;

# Tests of PostgreSQL run without fsync unless they say otherwise.  Checkpoints come
# often, so that some crashes are close to one.
my $node = new_server('crash',
	conf => load_settings("fsync = on\ncheckpoint_timeout = 30s\nautovacuum_naptime = 1s\n"));

load_prepare($node);
load_register($node, 'standard', 0);
load_register($node, 'fast', 1);
load_register($node, 'switched', 0);

# What runs beside the clients, as often as it can.
my %others = (
	folds => q{
		SELECT accum._delta_merge_register('fast', '0 seconds', 50);
		SELECT pg_sleep(0.05);
		SELECT accum._delta_flush_register('fast');
		SELECT pg_sleep(0.1);
		SELECT accum._force_delta_merge();} x 2000,
	modes => q{
		SELECT accum.register_alter('switched', high_write => true);
		SELECT pg_sleep(0.3);
		SELECT accum.register_alter('switched', high_write => false);
		SELECT pg_sleep(0.2);} x 2000,
	checkpoints => q{
		SELECT pg_sleep(0.7);
		CHECKPOINT;} x 1000);

# Registers that come and go, in a known order.
my @temporary = map { ("SELECT accum.register_create('temporary_$_', '{\"a\": \"text\"}', '{\"n\": \"bigint\"}',
		high_write => " . ($_ % 2 ? 'true' : 'false') . ')',
		"SELECT accum.register_post('temporary_$_', '{\"recorder\": \"d\", \"period\": \"1999-01-01\", \"a\": \"x\", \"n\": 1}')",
		"SELECT accum.register_drop('temporary_$_', true)") } 1 .. 1000;

foreach my $round (1 .. $kills)
{
	my $seconds = 0.5 + rand 5;

	crash(sprintf('crash %d after %.1f s', $round, $seconds), $seconds, $round % 2);
}
is($node->safe_psql('postgres', "SELECT accum._delta_flush_register('$_') >= 0; SELECT accum._delta_count('$_')"),
	"t\n0", "what was pending of $_ can be folded") foreach ('fast', 'switched');
derived_is_right($node, $_, 'at the end') foreach @registers;
register_is_right($node, 'postgres', 'standard', 'at the end');
note("$kills crashes: $sum{acknowledged} calls acknowledged, all there; $sum{found} there "
	  . 'that were not acknowledged');

$node->stop;
done_testing();

sub crash
{
	my ($name, $seconds, $linger) = @_;
	my $load = clients_start($node,
		clients => 6,
		calls => 10_000,
		registers => \@registers,
		others => { %others, 'registers' => temporary_script() });
	my ($children, $start, $acknowledged, $found);

	clients_wait($load, $seconds);
	$children = clients_kill_server($node, $linger);
	clients_finish($load, $name);

	$start = time;
	$node->start;
	$start = time - $start;
	derived_is_right($node, $_, $name) foreach @registers;
	($acknowledged, $found) = documents_are_right($node, $load, $name, @registers);
	cmp_ok($acknowledged, '>', 0, "$name: calls were acknowledged");
	temporary_is_right($name, $load);
	$sum{acknowledged} += $acknowledged;
	$sum{found} += $found;

	note(sprintf('%s: %d processes killed%s, %d calls acknowledged, %d more found, up again in %.1f s; %s',
		$name, $children + 1, $linger ? ' (children lingered)' : '', $acknowledged, $found, $start,
		$node->safe_psql('postgres', q{
			SELECT format('%s and %s deltas pending, high_write %s, %s partitions', accum._delta_count('fast'),
				accum._delta_count('switched'), accum.register_info('switched') ->> 'high_write', count(*))
			FROM pg_inherits
			WHERE inhparent IN ('accum.fast_movements'::regclass, 'accum.standard_movements'::regclass,
				'accum.switched_movements'::regclass)})));
	return;
}

# The script that creates, uses and drops registers, beginning with none.
sub temporary_script
{
	my $step = 0;

	return "\\set ON_ERROR_STOP 1\n" . join '', map { "$_;\n\\echo " . ++$step . "\n" } @temporary;
}

# Test that the registers are those that the acknowledged steps have left, or one
# step more, and that nothing is left of others.  Leaves none.
sub temporary_is_right
{
	my ($name, $load) = @_;
	my ($client) = grep { $_->{name} eq 'registers' } @{ $load->{others} };
	my $steps = @{ $client->{acknowledged} };
	my $actual = $node->safe_psql('postgres', q{
		SELECT r.name || CASE WHEN accum._movements_count(r.name) > 0 THEN ' posted' ELSE '' END
		FROM accum._registers r WHERE r.name LIKE 'temporary%'});
	my @expected = map { temporary_after($_) } $steps, $steps + 1;

	ok($actual eq $expected[0] || $actual eq $expected[1],
		"$name: there are the registers that were acknowledged")
	  or diag("after $steps steps there is '$actual', not '$expected[0]' nor '$expected[1]'");
	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_class c
		WHERE relnamespace = 'accum'::regnamespace AND relname ~ '^temporary_\d+_'
			AND NOT EXISTS (SELECT FROM accum._registers r WHERE c.relname LIKE r.name || '\_%')}),
		0, "$name: nothing is left of other registers");
	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM accum._register_relations t
		WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.relation)}),
		0, "$name: the registry names no relation that is not there");
	derived_is_right($node, $1, $name) if $actual =~ /^(\w+)/;
	$node->safe_psql('postgres', "SELECT accum.register_drop('$1', true)") if $actual =~ /^(\w+)/;
	return;
}

# The registers that there are after so many steps.
sub temporary_after
{
	my ($steps) = @_;
	my $number = int(($steps + 2) / 3);

	return '' if $steps % 3 == 0;
	return "temporary_$number" . ($steps % 3 == 2 ? ' posted' : '');
}
