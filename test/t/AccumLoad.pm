# AccumLoad.pm - documents posted by many sessions, and what must come of them.
#
# Shared by contention.pl, crash.pl and standby.pl.  Every call that writes has a
# number, which its movements carry as an attribute, and the movements of a call
# are a function of the document and that number.  So it can be told of each
# movement which call wrote it, and of each call whether it is there as a whole.
#
# Two things are checked, both in plain SQL that knows nothing of the engine:
# derived tables + pending deltas = SUM(movements), and which calls are there.

package AccumLoad;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
  load_settings load_prepare load_register load_settled
  derived_is_right documents_are_right
  clients_start clients_wait clients_kill_server clients_end clients_finish
);

# Settings of every server under load.  With ACCUM_WORKER=1 deltas are folded in the
# background, too; this and load_settled are all that knows of it.
sub load_settings
{
	my ($more) = @_;
	my $settings = "max_connections = 60\nlog_statement = none\ndeadlock_timeout = 200ms\n"
	  . "shared_buffers = 64MB\njit = off\n";

	$settings .= "shared_preload_libraries = 'pg_accumulator'\n"
	  . "pg_accumulator.delta_merge_interval = 100\npg_accumulator.delta_merge_delay = 0\n"
	  if $ENV{ACCUM_WORKER};
	return $settings . ($more // '');
}

# Wait until what folds in the background has come to rest; returns whether deltas of
# a register stay pending until somebody folds them.
sub load_settled
{
	my ($node, $register) = @_;

	return 1 unless $ENV{ACCUM_WORKER};
	$node->poll_query_until('postgres', "SELECT accum._delta_count('$register') = 0")
	  or die 'deltas are not folded';
	return 0;
}

# Functions that the tests need.
sub load_prepare
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'SQL');
-- The movements of a call: one to five, in 20 cells, within two months; one call of
-- eight is backdated to any month of 85 years.
CREATE FUNCTION line(document text, call bigint, OUT recorder text, OUT period timestamptz,
	OUT store text, OUT item integer, OUT n bigint, OUT amount numeric) RETURNS SETOF record
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT document,
		   timestamptz '2001-01-15 12:00Z'
		   - CASE WHEN call % 8 = 0 THEN abs(hashint8extended(call, 2)) % 1023 ELSE 0 END * interval '1 month'
		   + (h >> 10 & 31) * interval '1 day',
		   (ARRAY['north', 'south', '', NULL])[1 + (h >> 16 & 3)],
		   nullif((h >> 20 & 1023) % 5, 0)::integer,
		   (h >> 30 & 15) - 7, ((h >> 34 & 1023) - 500) / 100.0
	FROM generate_series(1, 1 + abs(hashint8extended(call, 1)) % 5) AS i,
		 LATERAL (SELECT abs(hashint8extended(call * 8 + i, 0)) AS h) AS hash;
END;

-- The same as p_data, in any order.
CREATE FUNCTION lines(document text, call bigint) RETURNS jsonb
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT jsonb_agg(to_jsonb(l) || jsonb_build_object('call', call) ORDER BY random())
	FROM line(document, call) AS l;
END;

-- How many cells, and cells and units, are not SUM(movements) where a derived table
-- and pending deltas are added up.  One statement for each table, so it may run
-- beside writers.
CREATE FUNCTION differences(register_name text) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
	dims text;
	table_name text := 'accum.' || register_name;
	deltas boolean := to_regclass(table_name || '_balance_cache_delta') IS NOT NULL;
	kept record;
	n bigint;
	result bigint := 0;
BEGIN
	SELECT string_agg(quote_ident(d ->> 'name') || ', ', '' ORDER BY i) INTO dims
	FROM accum._registers, jsonb_array_elements(dimensions) WITH ORDINALITY AS t (d, i)
	WHERE name = register_name;
	FOR kept IN
		SELECT unit, to_regclass(table_name || levels.name) AS relation,
			   string_agg(format('sum(%1$I)::numeric', r ->> 'name')
				   || CASE WHEN unit IS NULL THEN '' ELSE
					  format(', coalesce(sum(%1$I) FILTER (WHERE %1$I > 0), 0)::numeric', r ->> 'name') END,
				   ', ' ORDER BY i) AS sums,
			   string_agg(quote_ident(r ->> 'name')
				   || CASE WHEN unit IS NULL THEN '' ELSE ', ' || quote_ident((r ->> 'name') || '_receipt') END,
				   ', ' ORDER BY i) AS columns,
			   string_agg(format('sum(%1$I)::numeric', r ->> 'name')
				   || CASE WHEN unit IS NULL THEN '' ELSE
					  format(', sum(%1$I)::numeric', (r ->> 'name') || '_receipt') END,
				   ', ' ORDER BY i) AS kept_sums
		FROM (VALUES ('_balance_cache', NULL), ('_totals_day', 'day'), ('_totals_month', 'month'),
					 ('_totals_year', 'year')) AS levels (name, unit),
			 accum._registers, jsonb_array_elements(resources) WITH ORDINALITY AS t (r, i)
		WHERE _registers.name = register_name
		GROUP BY levels.name, unit
	LOOP
		CONTINUE WHEN kept.relation IS NULL;
		EXECUTE format(
			'WITH should AS MATERIALIZED (
				SELECT %1$s %2$s AS unit, %3$s, count(*)::numeric
				FROM %4$s_movements GROUP BY %1$s unit),
			 kept AS MATERIALIZED (
				SELECT %1$s unit, %5$s, sum(movements_count)::numeric
				FROM (SELECT %1$s %6$s AS unit, %7$s, movements_count FROM %8$s %9$s) AS parts
				GROUP BY %1$s unit
				HAVING sum(movements_count) <> 0 OR (%5$s) <> (%10$s))
			 SELECT (SELECT count(*) FROM (TABLE should EXCEPT ALL TABLE kept) AS missing)
				  + (SELECT count(*) FROM (TABLE kept EXCEPT ALL TABLE should) AS extra)',
			dims,
			CASE WHEN kept.unit IS NULL THEN 'NULL::date'
				 ELSE format('date_trunc(%L, period AT TIME ZONE ''UTC'')::date', kept.unit) END,
			kept.sums, table_name, kept.kept_sums,
			CASE WHEN kept.unit IS NULL THEN 'NULL::date' ELSE 'period' END,
			kept.columns, kept.relation,
			CASE WHEN deltas THEN format('UNION ALL SELECT %s %s, %s, movements_count FROM %s_balance_cache_delta',
				dims, CASE WHEN kept.unit IS NULL THEN 'NULL::date'
						   ELSE format('date_trunc(%L, period)::date', kept.unit) END,
				kept.columns, table_name) END,
			regexp_replace(kept.kept_sums, 'sum\([^)]*\)::numeric', '0', 'g'))
		INTO n;
		result := result + n;
	END LOOP;
	RETURN result;
END $$;

-- The calls of which a register has movements, and whether it has all of them as
-- they should be.
CREATE FUNCTION calls_stored(register_name text, OUT document text, OUT call bigint, OUT whole boolean)
RETURNS SETOF record
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY EXECUTE format(
		'SELECT m.recorder, m.call,
				array_agg(ROW (m.period, m.store, m.item, m.n, m.amount)::text
					ORDER BY ROW (m.period, m.store, m.item, m.n, m.amount)::text COLLATE "C")
				= (SELECT array_agg(ROW (l.period, l.store, l.item, l.n, l.amount::numeric(18,2))::text
						ORDER BY ROW (l.period, l.store, l.item, l.n, l.amount::numeric(18,2))::text COLLATE "C")
				   FROM line(m.recorder, m.call) AS l)
		 FROM accum.%s_movements AS m GROUP BY 1, 2', register_name);
END $$;
SQL
	return;
}

sub load_register
{
	my ($node, $register, $high_write) = @_;

	$node->safe_psql('postgres', sprintf(q{
		SELECT accum.register_create('%s', '{"store": "text", "item": "integer"}',
			'{"n": "bigint", "amount": "numeric(18,2)"}', attributes => '{"call": "bigint"}',
			high_write => %s)}, $register, $high_write ? 'true' : 'false'));
	return;
}

# Test, without mending anything, that all that is derived is right.
sub derived_is_right
{
	my ($node, $register, $name) = @_;

	is($node->safe_psql('postgres', "SELECT differences('$register')"),
		0, "$name: $register, derived + pending = SUM(movements)");
	is( $node->safe_psql('postgres',
			"SELECT count(*) FROM accum.register_verify('$register') WHERE status <> 'OK'"),
		0, "$name: register_verify('$register') finds nothing");
	return;
}

########################################################################
# Clients whose calls are known one by one, for servers that die.
#
# Each client is a psql with a script of its own: it calls, and when the server has
# said that the call is committed it writes the number of the call to its output, a
# file outside of the server.  A client has documents of its own and shares cells
# and partitions with all others.  So after a crash its documents are what its
# calls have made of them up to the last acknowledged one, or to the next.
########################################################################

my $next_call = 1;

# What there is of each document, as the calls that its movements belong to:
# $documents{register}{document} = { call => 1, ... }
my %documents;

my %calls = (
	post => q{SELECT accum.register_post('REGISTER', lines('DOCUMENT', CALL));},
	repost => q{SELECT accum.register_repost('REGISTER', 'DOCUMENT', lines('DOCUMENT', CALL));},
	unpost => q{SELECT accum.register_unpost('REGISTER', 'DOCUMENT');},
	savepoint => q{BEGIN;
		SAVEPOINT s;
		SELECT accum.register_repost('REGISTER', 'DOCUMENT', lines('DOCUMENT', -CALL));
		ROLLBACK TO s;
		SELECT accum.register_post('REGISTER', lines('DOCUMENT', CALL));
		COMMIT;},
	rollback => q{BEGIN;
		SELECT accum.register_post('REGISTER', lines('DOCUMENT', -CALL));
		ROLLBACK;});
my @mix = (('post') x 6, ('repost') x 3, 'unpost', 'savepoint', 'rollback');

# What a call makes of a document.
sub apply
{
	my ($kind, $call, $document) = @_;

	return {} if $kind eq 'unpost';
	return { $call => 1 } if $kind eq 'repost';
	return { %$document, $call => 1 } if $kind eq 'post' || $kind eq 'savepoint';
	return $document;
}

# Write the script of a client, and return what it is going to do.
sub script
{
	my ($file, $client, $registers, $count) = @_;
	my @plan;
	my $text = "\\set ON_ERROR_STOP 1\n\\pset format unaligned\n\\pset tuples_only on\n\\o /dev/null\n";

	foreach (1 .. $count)
	{
		my %step = (
			call => $next_call++,
			kind => $mix[ rand @mix ],
			register => $registers->[ rand @$registers ],
			document => "client $client, document " . int(rand 15));

		$text .= $calls{ $step{kind} } =~ s/REGISTER/$step{register}/gr =~ s/DOCUMENT/$step{document}/gr =~
		  s/CALL/$step{call}/gr;
		$text .= "\n\\echo $step{call}\n";
		push @plan, \%step;
	}
	append_to_file($file, $text);
	return \@plan;
}

# Start clients on registers: count of them with so many calls each.  others are
# scripts that run beside, again and again: name => SQL.
sub clients_start
{
	my ($node, %options) = @_;
	my $load = { clients => [], others => [], started => time };
	my @psql = ('psql', '--no-psqlrc', '--quiet', '--dbname=' . $node->connstr('postgres'));

	foreach my $client (1 .. $options{clients})
	{
		my $file = PostgreSQL::Test::Utils::tempdir() . '/client';
		my $plan = script("$file.sql", $client, $options{registers}, $options{calls});

		push @{ $load->{clients} }, { file => $file, plan => $plan, name => $client };
	}
	foreach my $name (sort keys %{ $options{others} // {} })
	{
		my $file = PostgreSQL::Test::Utils::tempdir() . "/$name";

		append_to_file("$file.sql", "\\o /dev/null\n" . $options{others}{$name});
		push @{ $load->{others} }, { file => $file, name => $name };
	}
	foreach my $client (@{ $load->{clients} }, @{ $load->{others} })
	{
		$client->{handle} = IPC::Run::start([ @psql, "--file=$client->{file}.sql" ],
			'<', '/dev/null', '>', "$client->{file}.acknowledged", '2>', "$client->{file}.errors");
	}
	return $load;
}

sub pids_of_children
{
	my ($parent) = @_;
	my @pids;

	foreach my $file (glob '/proc/[0-9]*/stat')
	{
		open(my $stat, '<', $file) or next;
		my $line = <$stat> // '';
		push @pids, $1 if $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $parent;
	}
	return @pids;
}

sub is_running
{
	my ($pid) = @_;

	open(my $stat, '<', "/proc/$pid/stat") or return 0;
	return (<$stat> // '') !~ /\) Z /;
}

# Kill a server as a crash of the machine would: the postmaster with SIGKILL, and its
# children with it, or, if they may linger, as soon as they have noticed.  Returns
# when none is left.
sub clients_kill_server
{
	my ($node, $linger) = @_;
	my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
	my (@children, $deadline);

	# While it is stopped it has no more children than these.
	kill 'STOP', $postmaster;
	@children = pids_of_children($postmaster);
	$node->kill9;
	kill 'KILL', @children unless $linger;
	$deadline = time + 60;
	while (grep { is_running($_) } $postmaster, @children)
	{
		kill 'KILL', @children if time > $deadline;
		sleep 0.01;
	}
	# A server does not start where it sees its predecessor, be it a zombie that nobody
	# has reaped yet.
	sleep 0.01 while kill(0, $postmaster) && time < $deadline;
	unlink $node->data_dir . '/postmaster.pid';
	return scalar @children;
}

# Wait for the clients, whose server is gone or who have come to the end of their
# scripts; test that nothing else has ended them, but for errors that are allowed.
sub clients_finish
{
	my ($load, $name, $allowed) = @_;

	foreach my $client (@{ $load->{clients} }, @{ $load->{others} })
	{
		my $errors;

		$client->{handle}->finish;
		$errors = join '', grep {
			/(ERROR|FATAL|PANIC):/
			  && !/terminating connection|shutting down/
			  && !($allowed && /$allowed/)
		} split /^/m, slurp_file("$client->{file}.errors");
		is($errors, '', "$name: client $client->{name} got no error") if $errors ne '';
		$client->{acknowledged} = [ split /\n/, slurp_file("$client->{file}.acknowledged") ];
	}
	return;
}

# Wait until some time has passed since the clients were started.
sub clients_wait
{
	my ($load, $seconds) = @_;
	my $rest = $load->{started} + $seconds - time;

	sleep $rest if $rest > 0;
	return;
}

# End what runs beside the clients and would not come to an end.
sub clients_end
{
	my ($load) = @_;

	$_->{handle}->signal('TERM') foreach @{ $load->{others} };
	return;
}

# Test that documents are what the acknowledged calls have made of them; of each
# client the next call may be there, too.  What is there is then what is expected.
# Returns how many calls were acknowledged, and how many were there unacknowledged.
sub documents_are_right
{
	my ($node, $load, $name, @registers) = @_;
	my (%stored, %next, @wrong, %unfinished);
	my ($acknowledged, $found) = (0, 0);

	foreach my $register (@registers)
	{
		foreach my $row (split /\n/,
			$node->safe_psql('postgres', "SELECT document, call, whole FROM calls_stored('$register')"))
		{
			my ($document, $call, $whole) = split /\|/, $row;

			push @wrong, "$register: call $call of $document is there in part" if $whole ne 't';
			$stored{$register}{$document}{$call} = 1;
		}
	}
	foreach my $client (@{ $load->{clients} })
	{
		my $count = @{ $client->{acknowledged} };
		my $step;

		push @wrong, "client $client->{name} was not answered in order"
		  if join(' ', @{ $client->{acknowledged} }) ne
		  join(' ', map { $_->{call} } @{ $client->{plan} }[ 0 .. $count - 1 ]);
		$acknowledged += $count;
		foreach $step (@{ $client->{plan} }[ 0 .. $count - 1 ])
		{
			my $document = \$documents{ $step->{register} }{ $step->{document} };

			$$document = apply($step->{kind}, $step->{call}, $$document // {});
		}
		$step = $client->{plan}[$count] // next;
		$next{ $step->{register} }{ $step->{document} } = $step;
	}
	foreach my $register (@registers)
	{
		my %names = (%{ $stored{$register} // {} }, %{ $documents{$register} // {} });

		foreach my $document (sort keys %names)
		{
			my $actual = $stored{$register}{$document} // {};
			my $expected = $documents{$register}{$document} // {};
			my $step = $next{$register}{$document};

			if (calls_text($actual) ne calls_text($expected))
			{
				if ($step && calls_text($actual) eq
					calls_text(apply($step->{kind}, $step->{call}, $expected)))
				{
					$found++;
				}
				else
				{
					push @wrong, "$register: $document has calls " . calls_text($actual)
					  . ' instead of ' . calls_text($expected)
					  . ($step ? ", next $step->{kind} $step->{call}" : '');
				}
			}
			$documents{$register}{$document} = $actual;
		}
	}
	is(join("\n", @wrong), '', "$name: documents are what acknowledged calls have made of them");
	return ($acknowledged, $found);
}

sub calls_text
{
	my ($calls) = @_;

	return join ' ', sort { $a <=> $b } keys %$calls;
}

1;
