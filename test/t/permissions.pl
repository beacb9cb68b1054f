# permissions.pl - the matrix in docs/permissions.md is what the server does.
#
# Each cell of it is tried as a role that has just those rights, on a register
# with deltas and on one without; what a cell does not allow has to fail for want
# of privileges, or because nobody may do it.  Every attempt is rolled back.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Who is meant by the columns of the matrix, and what they are given.
my %columns = (
	'nobody' => ['walker_nobody'],
	'`read`' => [ 'walker_read', 'read' ],
	'`post`' => [ 'walker_post', 'post' ],
	'`read`, `post`' => [ 'walker_both', 'read', 'post' ],
	'`admin`' => [ 'walker_admin', 'admin' ],
	'owner' => ['walker_owner']);

my $cell = '"warehouse": "north"';
my $movement = qq{{"recorder": "new", "period": "2020-05-05", $cell, "n": 1}};
my $lines = qq{'[{"period": "2020-05-05", $cell, "n": 1}]'};

# What is copied comes from a file: versions of psql differ in what becomes of data that
# follow a COPY that was refused.
my $file = $PostgreSQL::Test::Utils::tmp_check . '/copied';
append_to_file($file, "new\t2020-05-05\t1\n");

# What to do for a line of the matrix; %s is the register.  All statements of a line
# have to be allowed, or each to be refused.
my %lines = (
	'`register_list`' => ['SELECT * FROM accum.register_list()'],
	'`register_info`' => [q{SELECT accum.register_info('%s')}],
	'`register_stats`' => [q{SELECT accum.register_stats('%s')}],
	'`register_partitions`' => [q{SELECT * FROM accum.register_partitions('%s')}],
	'counts of movements in `register_list`, `register_info`, `register_stats`' => [
		q{SELECT told(movements_count) FROM accum.register_list() WHERE name = '%s'},
		q{SELECT told((accum.register_info('%s') ->> 'movements_count')::bigint)},
		q{SELECT told((accum.register_stats('%s') ->> 'movements_count')::bigint)} ],
	'counts of derived rows in `register_stats`' => [
		map { "SELECT told((accum.register_stats('%s') ->> '${_}_rows')::bigint)" }
		  qw(cache totals_day totals_month totals_year) ],
	'counts of rows in `register_partitions`' =>
	  [q{SELECT told(sum(row_count)::bigint) FROM accum.register_partitions('%s')}],
	'`register_create_sql`' => [q{SELECT accum.register_create_sql('any', '{"a": "text"}', '{"n": "integer"}')}],
	'`<r>_balance`' => [ 'SELECT accum.%s_balance()', "SELECT accum.%s_balance('{$cell}')" ],
	'`<r>_balance` at a date' => [
		q{SELECT accum.%s_balance(at_date => timestamptz '2020-05-04 10:30Z')},
		q{SELECT accum.%s_balance(at_date => date '2020-05-04')} ],
	'`<r>_balances`' => ['SELECT * FROM accum.%s_balances'],
	'`<r>_balances_at`' => [
		q{SELECT * FROM accum.%s_balances_at(timestamptz '2020-05-04 10:30Z')},
		q{SELECT * FROM accum.%s_balances_at(date '2020-05-04')} ],
	'`<r>_turnover`' => [
		q{SELECT accum.%s_turnover(timestamptz '2020-05-04 10:30Z', timestamptz '2020-06-04 10:30Z')},
		q{SELECT accum.%s_turnover(date '2020-01-03', date '2020-06-04')} ],
	'`<r>_statement`' => [q{SELECT * FROM accum.%s_statement(date '2020-01-03', date '2020-06-04')}],
	'`<r>_movements`' => [ 'SELECT accum.%s_movements()', q{SELECT accum.%s_movements('old')} ],
	'`SELECT` from movements' => ['SELECT * FROM accum.%s_movements'],
	'`SELECT` from balance cache, totals and deltas' => [
		map { "SELECT * FROM accum.%s_$_" } qw(balance_cache totals_day totals_month totals_year),
		'balance_cache_delta' ],
	'`SELECT` from `<r>_recorders` and from partitions' => [
		map { "SELECT * FROM accum.%s_$_" } qw(recorders movements_2020 movements_default) ],
	'`register_closings` of some cells' => [
		q{SELECT told(count(*) FILTER (WHERE dimensions IS NOT NULL)) FROM accum.register_closings WHERE register = 'closed'}],
	'`register_verify`, `register_ledger_verify`' =>
	  [ q{SELECT * FROM accum.register_verify('%s')}, q{SELECT accum.register_ledger_verify('books')} ],
	'`register_preview`' => [
		"SELECT * FROM accum.register_preview('%s', NULL, '$movement')",
		q{SELECT * FROM accum.register_preview('%s', 'old', NULL)} ],
	'`_delta_count`' => [q{SELECT accum._delta_count('%s')}],
	'`register_post`' => ["SELECT accum.register_post('%s', '$movement')"],
	'`register_post` with `p_once`' => ["SELECT accum.register_post('%s', '$movement', p_once => true)"],
	'`register_post` that makes a partition' => [
		q{SELECT accum.register_post('%s', '} . ($movement =~ s/2020/2031/r) . q{'), told(count(*)) FROM pg_class WHERE relname = '%s_movements_2020'}],
	'`INSERT`' => [q{INSERT INTO accum.%s_movements (recorder, period, n) VALUES ('new', '2020-05-05', 1)}],
	'`COPY` to movements' => ["\\copy accum.%s_movements (recorder, period, n) FROM '$file'"],
	'`DELETE`' => [q{DELETE FROM accum.%s_movements WHERE recorder = 'old'}],
	'`register_unpost`' => [q{SELECT accum.register_unpost('%s', 'old')}],
	'`register_unpost` of many' => [q{SELECT accum.register_unpost('%s', ARRAY['old', 'other'])}],
	'`register_repost`' => ["SELECT accum.register_repost('%s', 'old', $lines)"],
	'`register_reconcile`' => [qq{SELECT accum.register_reconcile('%s', 'count', '2020-05-05', '[{$cell, "n": 7}]')}],
	'`_delta_merge_register`' => [q{SELECT accum._delta_merge_register('%s', '0 seconds')}],
	'`_delta_flush_register`' => [q{SELECT accum._delta_flush_register('%s')}],
	'`_delta_merge`, `_force_delta_merge` of what one may fold' =>
	  [ q{SELECT accum._delta_merge('0 seconds')}, 'SELECT accum._force_delta_merge()' ],
	'`register_close`' => [
		q{SELECT accum.register_close('%s', '2020-01-01')}, qq{SELECT accum.register_close('%s', '2020-01-01', '{$cell}')} ],
	'`register_reopen`' => [q{SELECT accum.register_reopen('%s', '2019-01-01')}],
	'`register_create_partitions`' => [q{SELECT accum.register_create_partitions('%s', '10 years')}],
	'`register_detach_partitions`' => [q{SELECT accum.register_detach_partitions('%s')}],
	'`register_detach_partitions`, with history' => [q{SELECT accum.register_detach_partitions('kept')}],
	'`register_drop_empty_partitions`' => [q{SELECT accum.register_drop_empty_partitions('%s')}],
	'`register_repair`' => [q{SELECT accum.register_repair('%s')}],
	'`register_rebuild_totals`' => [q{SELECT accum.register_rebuild_totals('%s')}],
	'`register_rebuild_cache`' => [ q{SELECT accum.register_rebuild_cache('%s')}, q{SELECT accum.register_rebuild_cache('%s', 1)} ],
	'`register_prune`' => [q{SELECT * FROM accum.register_prune('%s')}],
	'`register_create`, with `CREATE` on schema `accum`' => [q{SELECT accum.register_create('any', '{"a": "text"}', '{"n": "integer"}')}],
	'`register_alter`' => [
		q{SELECT accum.register_alter('%s', add_dimensions => '{"lot": "text"}')},
		q{SELECT accum.register_alter('%s', add_resources => '{"m": "integer"}', add_attributes => '{"note": "text"}')} ],
	'`register_alter`, high_write' => [
		q{SELECT accum.register_alter('%s', high_write => true)}, q{SELECT accum.register_alter('%s', high_write => false)} ],
	'`register_grant`' => [
		map { "SELECT accum.register_grant('%s', 'walker_nobody', '$_')" } qw(read post admin) ],
	'`register_revoke`' => [
		map { "SELECT accum.register_revoke('%s', 'walker_both', '$_')" } qw(read post admin) ],
	'`register_secure`' => [q{SELECT accum.register_secure('%s', NULL, NULL)}],
	'`register_clear`' => [q{SELECT accum.register_clear('%s', true)}],
	'`register_drop`' => [q{SELECT accum.register_drop('%s', true)}],
	'`UPDATE` and `TRUNCATE` of movements' =>
	  [ 'UPDATE accum.%s_movements SET n = 0', 'TRUNCATE accum.%s_movements' ],
	'DML on derived tables, `<r>_recorders` and partitions' => [
		map({ ("DELETE FROM accum.%s_$_", "UPDATE accum.%s_$_ SET n = 0", "INSERT INTO accum.%s_$_ DEFAULT VALUES",
				"TRUNCATE accum.%s_$_") } qw(balance_cache totals_day totals_month totals_year movements_2020)),
		'UPDATE accum.%s_recorders SET revision = 0', 'DELETE FROM accum.%s_recorders' ],
	'DML on the registry, `SELECT` from `_register_seeds`' => [
		map({ ("DELETE FROM accum.$_", "UPDATE accum.$_ SET register = 'x'", "TRUNCATE accum.$_",
				"INSERT INTO accum.$_ DEFAULT VALUES") } qw(_register_relations _delta_merges _register_closings)),
		map({ ("DELETE FROM accum.$_", "UPDATE accum.$_ SET name = 'x'") } qw(_registers _register_seeds)),
		'SELECT * FROM accum._register_seeds', 'SELECT * FROM accum._register_closings' ],
	'`stat_registers_reset`' => ['SELECT accum.stat_registers_reset()']);

my $node = new_server('permissions');
my @registers = ('standard', 'fast');

prepare();
my ($head, @matrix) = read_matrix();
is_deeply([ sort map { $_->[0] } @matrix ], [ sort keys %lines ], 'there is a test for each line of the matrix');
is_deeply([ sort @$head ], [ sort keys %columns ], 'and a role for each column');
foreach my $register (@registers)
{
	walk($register, $_, $columns{ $head->[$_] }[0]) foreach 0 .. $#$head;
	register_is_right($node, 'postgres', $register, 'at the end');
}
nothing_for_public();
not_trusted();

$node->stop;
done_testing();

sub prepare
{
	$node->safe_psql('postgres', join('', map { "CREATE ROLE $_->[0];\n" } values %columns) . q{
		GRANT CREATE ON SCHEMA accum TO walker_owner;
		-- An answer that is null, or none, was not given for want of rights.
		CREATE FUNCTION told(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$
		BEGIN
			IF coalesce(n, 0) = 0 THEN
				RAISE insufficient_privilege;
			END IF;
			RETURN n;
		END $$;});
	foreach my $register (@registers, 'closed', 'kept')
	{
		my $high_write = $register eq 'fast' ? 'true' : 'false';
		my $history = $register eq 'kept' ? 'true' : 'false';

		$node->safe_psql('postgres', qq[
			SET ROLE walker_owner;
			SELECT accum.register_create('$register', '{"warehouse": "text"}', '{"n": "integer"}',
				partition_by => 'year', high_write => true, history => $history);
			SELECT accum.register_post('$register', '[
				{"recorder": "old", "period": "2020-05-04 10:00", $cell, "n": 5},
				{"recorder": "other", "period": "2020-05-04 11:00", "warehouse": null, "n": 6}]');
			SELECT accum._delta_flush_register('$register');
			SELECT accum.register_alter('$register', high_write => $high_write);
			SELECT accum.register_post('$register', '{"recorder": "other", "period": "2020-05-04", $cell, "n": 1}');]);
		foreach my $column (values %columns)
		{
			my ($role, @rights) = @$column;

			$node->safe_psql('postgres', "SET ROLE walker_owner; SELECT accum.register_grant('$register', '$role', '$_')")
			  foreach @rights;
		}
	}
	$node->safe_psql('postgres', q[
		SET ROLE walker_owner;
		SELECT accum.register_create('books', '{}', '{"n": "integer"}', kind => 'ledger');]
		  . join('', map { my ($role, @rights) = @$_; map { "SELECT accum.register_grant('books', '$role', '$_');" } @rights } values %columns));
	# What is closed cannot be cleared, so this is in a register of its own.
	$node->safe_psql('postgres', q{SELECT accum.register_close('closed', '2019-12-31', '{"warehouse": "south"}')});
	return;
}

# The columns' names, and for each line its name and cells.
sub read_matrix
{
	my @rows = map { [ map { s/^ +| +$//gr } split /\|/, $_ ] }
	  slurp_file('docs/permissions.md') =~ /^\|( \| nobody .*?)\|\n\| --- .*?\n((?:\|.*\n)+)/m
	  ? ($1, map { s/^\|//r =~ s/\|$//r } split /\n/, $2) : ();

	shift @{ $rows[0] };
	return @rows;
}

# Try every line of the matrix as one role, each statement in a transaction that is
# rolled back.
sub walk
{
	my ($register, $column, $role) = @_;
	my (@attempts, @outcomes, $script);

	foreach my $line (@matrix)
	{
		push @attempts, [ $line->[0], $line->[ $column + 1 ], $_ =~ s/%s/$register/gr ] foreach @{ $lines{ $line->[0] } };
	}
	$script = join '', map { "BEGIN;\nSET LOCAL ROLE $role;\n$_->[2]"
		  . ($_->[2] =~ /^\\/ ? '' : ';') . "\n\\echo outcome :SQLSTATE\nROLLBACK;\n" } @attempts;
	my ($result, $stdout) = $node->psql('postgres', $script, on_error_stop => 0);
	@outcomes = $stdout =~ /^outcome (\w{5})$/mg;
	is(scalar(@outcomes), scalar(@attempts), "$role, $register: all was tried");
	for my $i (0 .. $#attempts)
	{
		my ($line, $allowed, $statement) = @{ $attempts[$i] };
		my $name = "$role: " . ($statement =~ s/\s+/ /gr);

		if ($allowed eq 'yes')
		{
			is($outcomes[$i], '00000', "$name is allowed");
		}
		elsif ($allowed eq '–' || $allowed eq "\xe2\x80\x93")
		{
			# What is refused to the owner, too, is refused as such.
			my $refused = $role eq 'walker_owner' || $line =~ /TRUNCATE/ ? qr/^(?:42501|55000)$/ : qr/^42501$/;

			like($outcomes[$i], $refused, "$name is refused");
		}
		else
		{
			fail("$name: the matrix says $allowed");
		}
	}
	return;
}

# Nothing on relations was granted to PUBLIC, nor to roles without a right; partitions
# have no grants.
sub nothing_for_public
{
	my $sql = q{
		SELECT c.oid::regclass, a.grantee::regrole, a.privilege_type
		FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
		WHERE c.relnamespace = 'accum'::regnamespace AND c.relname ~ '^(standard|fast)_'
			AND a.grantee <> c.relowner AND (a.grantee IN (0, 'walker_nobody'::regrole) OR c.relispartition)};

	is($node->safe_psql('postgres', $sql), '', 'PUBLIC has no privileges, and nobody on partitions');
	return;
}

# The owner of a database cannot create the extension.
sub not_trusted
{
	$node->safe_psql('postgres', 'CREATE DATABASE others OWNER walker_owner');
	my (undef, undef, $stderr) = $node->psql('others', 'SET ROLE walker_owner; CREATE EXTENSION pg_accumulator');
	like($stderr, qr/permission denied to create extension/, 'the extension is not trusted');
	return;
}
