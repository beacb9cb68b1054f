# interrupt.pl - statements that are cancelled, at any moment, leave nothing behind.
#
# One session runs every function that works on registers, again and again, each
# time with a statement_timeout that strikes at another moment; the seed is fixed,
# the moment depends on the machine.  What was cancelled has changed nothing, what
# was not has done its work.  Either way the session holds no lock, passes no guard
# and has nothing pending, so that what it does next is right.  Then the same within
# savepoints, with coalesced posts before and after; and with pg_cancel_backend and
# pg_terminate_backend by another session.
#
# ACCUM_LONG=1 tries more often.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{ACCUM_LONG} ? 40 : 2;
my @registers = ('standard', 'fast');

my $node = new_server('interrupt');
my $helpers = slurp_file('test/sql/helpers.psql') =~ s/^\\set ECHO .*$//mgr;

srand(20260101);
prepare();
my @statements = statements();
alone();
within_savepoints();
by_others();
foreach my $register (@registers)
{
	register_is_right($node, 'postgres', $register, 'at the end');
	is($node->safe_psql('postgres', "SELECT DISTINCT status FROM accum.register_verify('$register')"),
		'OK', "$register: verified");
}

$node->stop;
done_testing();

# Registers large enough for a statement to take some milliseconds.
sub prepare
{
	$node->safe_psql('postgres', q{
		CREATE FUNCTION lines(document text, first integer, n integer) RETURNS jsonb LANGUAGE sql
		RETURN (SELECT jsonb_agg(jsonb_build_object('recorder', document,
					'period', timestamp '2001-01-01' + i % 400 * interval '1 day',
					'cell', nullif(i % 60, 0), 'n', i % 21 - 10))
				FROM generate_series(first, first + n - 1) AS i);});
	foreach my $register (@registers)
	{
		my $high_write = $register eq 'fast' ? 'true' : 'false';

		$node->safe_psql('postgres', qq{
			SELECT accum.register_create('$register', '{"cell": "integer"}', '{"n": "bigint"}',
				partition_by => 'year', high_write => $high_write);
			SELECT accum.register_post('$register', lines('base ' || i, i * 7, 300)) FROM generate_series(1, 5) AS i;});
	}
	return;
}

# Each function that works on a register, with enough to do.
sub statements
{
	my @all = map { s/\s+/ /gr } (
		q{SELECT accum.register_post('R', lines('more', 3, 600))},
		q{SELECT accum.register_post('R', lines('once', 3, 600), p_once => true)},
		q{SELECT accum.register_repost('R', 'base 2', lines('base 2', 5, 400))},
		q{SELECT accum.register_unpost('R', 'base 3')},
		q{SELECT accum.register_unpost('R', ARRAY['base 1', 'base 4'])},
		q{SELECT accum.register_reconcile('R', 'count', '2001-06-01', '[{"cell": 5, "n": 7}]', '{}')},
		q{SELECT count(*) FROM accum.register_preview('R', 'base 2', lines('base 2', 5, 400))},
		q{INSERT INTO accum.R_movements (recorder, period, cell, n) SELECT 'direct', '2001-01-01', i % 50, i FROM generate_series(1, 600) AS i},
		q{DELETE FROM accum.R_movements WHERE period < '2001-07-01'},
		q{SELECT accum.register_rebuild_totals('R')},
		q{SELECT accum.register_rebuild_cache('R')},
		q{SELECT accum.register_repair('R')},
		q{SELECT count(*) FROM accum.register_prune('R')},
		q{SELECT count(*) FROM accum.register_verify('R')},
		q{SELECT accum.register_close('R', '2000-06-01')},
		q{SELECT accum.register_reopen('R', '-infinity')},
		q{SELECT accum.register_create_partitions('R', '4 years')},
		q{SELECT accum.register_drop_empty_partitions('R')},
		q{SELECT accum.register_detach_partitions('R')},
		q{SELECT accum.register_alter('R', add_dimensions => '{"lot": "text"}')},
		q{SELECT accum.register_alter('R', add_resources => '{"m": "integer"}', add_attributes => '{"note": "text"}')},
		q{SELECT accum.register_alter('R', high_write => true)},
		q{SELECT accum.register_alter('R', high_write => false)},
		q{SELECT accum.register_alter('R', limits => '[{"name": "l", "check": "n > -1000000"}]')},
		q{SELECT accum.register_grant('R', 'pg_monitor', 'read')},
		q{SELECT accum.register_revoke('R', 'pg_monitor', 'read')},
		q{SELECT accum.register_clear('R', true)},
		q{SELECT accum.register_drop('R', true)},
		q{SELECT accum._delta_merge_register('R', '0 seconds')},
		q{SELECT accum._delta_flush_register('R')},
		q{SELECT accum._force_delta_merge()},
		q{SELECT accum.register_create('another', '{"cell": "integer"}', '{"n": "bigint"}')},
		q{SELECT accum.R_balance(), accum.R_balance(at_date => timestamptz '2001-05-05 10:00Z')},
		q{SELECT count(*) FROM accum.R_balances_at(date '2001-05-05')},
		q{SELECT count(*) FROM accum.R_turnover(date '2001-01-02', date '2001-12-05', group_by => '["cell"]')},
		q{SELECT count(*) FROM accum.R_statement(date '2001-01-02', date '2001-12-05', group_by => '["cell"]', unit => 'day')},
		q{SELECT count(*) FROM accum.R_movements()},
		q{SELECT accum.register_stats('R'), accum.register_info('R')});

	# Limits are for registers whose posts see balances.
	return map { my $register = $_; map { [ $register, s/\bR(?=_|')/$register/gr ] }
		  grep { $register eq 'standard' || !/limits/ } @all } @registers;
}

# Milliseconds, as many short ones as long ones.  They hold for the ROLLBACK that follows, too,
# and may cancel it: so it is repeated.
sub moment
{
	return int(exp(rand() * log(60))) || 1;
}

# A query that finds what a session must not leave: a lock, or a guard that lets pass.
# It divides by zero then.
sub nothing_is_left
{
	my ($register) = @_;

	return qq{
		SELECT 1 / (count(*) = 0)::integer FROM pg_locks
		WHERE pid = pg_backend_pid() AND relation >= 16384 AND relation IN
			(SELECT oid FROM pg_class WHERE relnamespace = 'accum'::regnamespace);
		SELECT 1 / (pg_temp.try_code('DELETE FROM accum.${register}_balance_cache') = '55000')::integer;
		SELECT 1 / (pg_temp.try_code('DELETE FROM accum.${register}_movements_default') = '55000')::integer;
		SELECT 1 / (pg_temp.try_code('DROP TABLE accum.${register}_recorders') IN ('55000', '2BP01'))::integer;};
}

sub run_script
{
	my ($script) = @_;
	my ($result, $stdout, $stderr) = $node->psql('postgres', "$helpers\nSET client_min_messages = error;\n$script", on_error_stop => 0);

	is($result, 0, 'the session has survived') or diag($stderr);
	unlike($stderr, qr/division by zero/, 'and was left as it should be');
	unlike($stderr, qr/ERROR: (?!.*(?:canceling statement due to statement timeout|division by zero))/, 'no other errors');
	return $stdout;
}

# What all registers hold, and what the catalog says of them.
sub everything
{
	return q{(SELECT string_agg(name || pg_temp.state(name), ',' ORDER BY name) FROM accum._registers)
		|| (SELECT md5(string_agg(r::text, ',' ORDER BY r::text)) FROM accum._registers r)
		|| (SELECT md5(coalesce(string_agg(c::text, ',' ORDER BY c::text), '')) FROM accum._register_closings c)
		|| (SELECT md5(string_agg(c.relname || coalesce(c.relacl::text, ''), ',' ORDER BY c.relname)) FROM pg_class c WHERE c.relnamespace = 'accum'::regnamespace)
		|| (SELECT md5(string_agg(a.attrelid::regclass || a.attname, ',' ORDER BY a.attrelid::regclass::text, a.attnum)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE c.relnamespace = 'accum'::regnamespace AND a.attnum > 0)};
}

# Each statement in a transaction that is rolled back; then some that may commit.
sub alone
{
	my $script = '';
	my ($cancelled, $done);

	foreach my $i (1 .. $rounds * @statements)
	{
		my ($register, $statement) = @{ $statements[ rand @statements ] };
		my $milliseconds = moment();

		$script .= qq{
			SELECT @{[everything()]} AS before \\gset
			BEGIN;
			SET LOCAL statement_timeout = $milliseconds;
			$statement \\g /dev/null
			\\echo outcome :SQLSTATE
			@{['ROLLBACK;' x 10]}
			SELECT 1 / (:'before' = @{[everything()]})::integer;
			@{[nothing_is_left($register)]}};
	}
	my @outcomes = run_script($script) =~ /^outcome (\w{5})$/mg;
	is(scalar(@outcomes), $rounds * @statements, 'all were tried');
	$cancelled = grep { $_ eq '57014' } @outcomes;
	$done = grep { $_ eq '00000' } @outcomes;
	cmp_ok($cancelled, '>', 0, 'some were cancelled');
	is($cancelled + $done, scalar(@outcomes), 'and none failed otherwise');
	note("$cancelled were cancelled, $done were not");

	$script = '';
	foreach my $i (1 .. $rounds * 30)
	{
		my $register = $registers[ rand @registers ];
		my $milliseconds = moment();
		my $n = 50 + int(rand 600);
		my @own = (
			"SELECT accum.register_post('$register', lines('own', $i, $n))",
			"SELECT accum.register_repost('$register', 'own', lines('own', $i, $n))",
			"SELECT accum.register_unpost('$register', 'own')",
			"SELECT accum._delta_flush_register('fast')",
			"SELECT accum.register_rebuild_totals('$register')");
		my $statement = $own[ rand @own ];

		$script .= qq{
			SELECT @{[everything()]} AS before \\gset
			SET statement_timeout = $milliseconds;
			$statement \\g /dev/null
			\\set outcome :SQLSTATE
			@{['SET statement_timeout = 0;' x 10]}
			SELECT 1 / (:'outcome' = '00000' OR :'before' = @{[everything()]})::integer;
			SELECT 1 / (pg_temp.differences('$register') = 0)::integer;
			@{[nothing_is_left($register)]}};
	}
	run_script($script);
	return;
}

# Transactions that go on after the cancelled statement.
sub within_savepoints
{
	my $script = '';

	foreach my $i (1 .. $rounds * 30)
	{
		my ($register, $statement) = @{ $statements[ rand @statements ] };
		my $milliseconds = moment();
		my $coalesce = $i % 2 ? 'on' : 'off';

		$script .= qq{
			BEGIN;
			SET LOCAL pg_accumulator.coalesce = $coalesce;
			SELECT accum.register_post(r, lines('before $i', $i, 20)) FROM unnest('{standard,fast}'::text[]) AS r \\g /dev/null
			SAVEPOINT s;
			SET LOCAL statement_timeout = $milliseconds;
			$statement \\g /dev/null
			@{['ROLLBACK TO s;' x 10]}
			SELECT accum.register_post(r, lines('after $i', $i, 20)) FROM unnest('{standard,fast}'::text[]) AS r \\g /dev/null
			COMMIT;
			SELECT 1 / (count(*) = 80)::integer FROM (SELECT recorder FROM accum.standard_movements UNION ALL SELECT recorder FROM accum.fast_movements) m
				WHERE recorder IN ('before $i', 'after $i');
			SELECT 1 / (pg_temp.differences(r) = 0)::integer FROM unnest('{standard,fast}'::text[]) AS r;
			SELECT accum.register_unpost(r, ARRAY['before $i', 'after $i']) FROM unnest('{standard,fast}'::text[]) AS r \\g /dev/null
			@{[nothing_is_left($register)]}};
	}
	run_script($script);
	return;
}

# Another session cancels and ends a session that posts in a loop.
sub by_others
{
	foreach my $function ('pg_cancel_backend', 'pg_terminate_backend')
	{
		foreach my $i (1 .. $rounds)
		{
			my $register = $registers[ $i % 2 ];
			my $session = session('--dbname=' . $node->connstr('postgres'));
			my $pid = told($session, 'SELECT \'pid \' || pg_backend_pid();', qr/pid (\d+)/);

			$session->{in} .= join '', map { "SELECT accum.register_repost('$register', 'victim', lines('victim', $_, 400)) \\g /dev/null\n" } 1 .. 40;
			$session->{in} .= "SELECT 'done';\n";
			$session->{run}->pump_nb;
			for (1 .. 5)
			{
				$node->safe_psql('postgres', "SELECT pg_sleep(" . rand(0.05) . "), $function(pid) FROM pg_stat_activity WHERE pid = $pid");
				$session->{run}->pump_nb if $session->{run}->pumpable;
			}
			if ($function eq 'pg_cancel_backend')
			{
				told($session, '', qr/(done)/);
				session_end($session);
			}
			else
			{
				eval { $session->{run}->finish };
			}
			is($node->safe_psql('postgres', "$helpers SELECT pg_temp.differences('$register')"), '0',
				"$register is right after $function");
			is($node->safe_psql('postgres', "SELECT count(*) FROM accum.${register}_movements WHERE recorder = 'victim'") % 400,
				0, 'a document is there wholly or not at all');
		}
	}
	return;
}
