# docs.pl - what the documentation says is what the server does.
#
# Every ```sql block of README.md, docs/*.md and docs/guides/*.md is run, in order, each file in a
# database of its own with the extension installed, the server's time zone being
# UTC.  Where a ```text block follows, it must be what psql prints (without row
# counts; blanks at the ends of lines do not matter).  A block whose last
# statement is meant to fail is announced by a comment in the line above it:
#
#     <!-- error: 22023 -->
#
# Besides, the reference has to be complete: every public function with its
# parameters, every setting, the functions and relations that a register has.
# Every object has a comment, no link leads nowhere, and the example that
# "make demo" plays runs through and fits a terminal of 100 columns.

use strict;
use warnings;

use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @files = ('README.md', sort glob('docs/*.md docs/guides/*.md'));
my $reference = squeeze(slurp_file('docs/reference.md'));

my $node = PostgreSQL::Test::Cluster->new('docs');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;

run_file($_) foreach @files;
check_links($_) foreach (@files, 'CHANGELOG.md');
check_reference();
check_comments();
check_example('examples/warehouse.sql');

$node->stop;
done_testing();

# Any run of blanks becomes one blank.
sub squeeze
{
	my ($text) = @_;

	$text =~ s/\s+/ /g;
	return $text;
}

# The ```sql blocks of a file: line, sql, expected output or undef, SQLSTATE or undef.
sub parse_file
{
	my ($file) = @_;
	my @lines = split /\n/, slurp_file($file);
	my (@blocks, $expects, $sqlstate);

	for (my $i = 0; $i < @lines; $i++)
	{
		if ($lines[$i] =~ /^```(\w*)\s*$/)
		{
			my ($language, $start, @body) = ($1, $i + 2);

			push @body, $lines[$i] while (++$i < @lines && $lines[$i] !~ /^```\s*$/);
			BAIL_OUT("$file:$start: the block does not end") if $i == @lines;
			if ($language eq 'sql')
			{
				$expects = { line => $start, sql => join("\n", @body), sqlstate => $sqlstate };
				push @blocks, $expects;
			}
			elsif ($language eq 'text' && $expects)
			{
				$expects->{output} = join("\n", @body);
				$expects = undef;
			}
			$sqlstate = undef;
		}
		elsif ($lines[$i] =~ /^<!-- error: (\w{5}) -->$/)
		{
			($sqlstate, $expects) = ($1, undef);
		}
		elsif ($lines[$i] !~ /^\s*$/)
		{
			# Something stands between: what follows is not its output.
			($sqlstate, $expects) = (undef, undef);
		}
	}
	return @blocks;
}

# Run a block; returns psql's exit status, its output, and the last SQLSTATE.
sub run_block
{
	my ($database, $block) = @_;
	my $input = $block->{sql} . "\n\\echo sqlstate :SQLSTATE\n";
	my @psql = ('psql', '--no-psqlrc', '--quiet', '--pset=footer=off', '--pset=pager=off',
		'--dbname=' . $node->connstr($database));
	my ($output, $sqlstate);

	# One that is meant to fail goes on, to tell its SQLSTATE.
	push @psql, '--set=ON_ERROR_STOP=1' unless $block->{sqlstate};
	IPC::Run::run(\@psql, '<', \$input, '>', \$output, '2>&1');
	my $status = $? >> 8;
	$sqlstate = $1 if $output =~ s/^sqlstate (\w{5})\n\z//m;
	return ($status, $output, $sqlstate);
}

sub tidy
{
	my ($text) = @_;

	$text =~ s/[ \t]+$//mg;
	$text =~ s/\n+\z//;
	return $text;
}

sub run_file
{
	my ($file) = @_;
	my $database = 'docs_' . basename($file, '.md');

	$node->safe_psql('postgres', "CREATE DATABASE \"$database\"");
	$node->safe_psql($database, 'CREATE EXTENSION pg_accumulator');
	foreach my $block (parse_file($file))
	{
		my $name = "$file:$block->{line}";
		my ($status, $output, $sqlstate) = run_block($database, $block);
		my @errors = $output =~ /^ERROR: /mg;

		if ($block->{sqlstate})
		{
			is($sqlstate, $block->{sqlstate}, "$name fails as announced");
			is(scalar(@errors), 1, "$name fails once") or diag($output);
		}
		else
		{
			is($status, 0, "$name runs") or diag($output);
		}
		is(tidy($output), tidy($block->{output}), "$name prints what the text says")
		  if defined $block->{output};
	}
	return;
}

# Links to files of the repository, and to headings in them.
sub check_links
{
	my ($file) = @_;
	my $text = slurp_file($file);

	$text =~ s/^```.*?^```//msg;
	while ($text =~ /\]\(([^)\s]+)\)/g)
	{
		my $target = $1;
		next if $target =~ /^\w+:/;
		my ($path, $anchor) = split /#/, $target, 2;

		$path = $path eq '' ? $file : dirname($file) . "/$path";
		ok(-e $path, "$file: $target exists") or next;
		next unless defined $anchor;
		ok((grep { $_ eq $anchor } anchors($path)), "$file: $target is a heading");
	}
	return;
}

# The anchors that a reader's software gives to headings.
sub anchors
{
	my ($file) = @_;
	my @anchors;

	foreach my $heading (slurp_file($file) =~ /^#+ +(.*)$/mg)
	{
		$heading = lc $heading;
		$heading =~ s/[^\w\- ]//g;
		$heading =~ s/ /-/g;
		push @anchors, $heading;
	}
	return @anchors;
}

# Parameters as the reference writes them: without the casts that PostgreSQL
# adds to defaults, and with the short names of types.
sub parameters
{
	my ($text) = @_;

	$text =~ s/::[\w ]+(?=,|$)//g;
	$text =~ s/timestamp with time zone/timestamptz/g;
	$text =~ s/(?<=\d )mons(?=')/months/g;
	$text =~ s/DEFAULT NULL(?:::\w+)?/DEFAULT NULL/g;
	return $text;
}

sub check_reference
{
	my $list = q{
		SELECT p.proname || '(' || pg_get_function_arguments(p.oid) || ')'
		FROM pg_proc p
		WHERE p.pronamespace = 'accum'::regnamespace AND p.proname NOT LIKE '\_%'
		ORDER BY 1};
	my $register = q{
		SELECT accum.register_create('inventory', '[{"name": "warehouse", "type": "text"},
			{"name": "product", "type": "text"}]', '[{"name": "quantity", "type": "integer"}]')};
	my %extension;

	$node->safe_psql('postgres', 'CREATE DATABASE docs_check');
	$node->safe_psql('docs_check', 'CREATE EXTENSION pg_accumulator');
	foreach my $function (split /\n/, $node->safe_psql('docs_check', $list))
	{
		my ($name, $arguments) = $function =~ /^(\w+)\((.*)\)$/;

		$extension{$function} = 1;
		like($reference, qr/\Qaccum.$name(\E ?\Q@{[parameters($arguments)]}\E ?\)/,
			"the reference has $name with its parameters");
	}

	$node->safe_psql('docs_check', $register);
	foreach my $function (split /\n/, $node->safe_psql('docs_check', $list))
	{
		next if $extension{$function};
		my ($name, $arguments) = $function =~ /^inventory_(\w+)\((.*)\)$/;

		like($reference, qr/\Qaccum.<r>_$name(\E ?\Q@{[parameters($arguments)]}\E ?\)/,
			"the reference has <r>_$name with its parameters");
	}
	check_ledger($list);
	foreach my $relation (split /\n/, $node->safe_psql('docs_check', q{
		SELECT replace(relname, 'inventory_', '<r>_') FROM pg_class
		WHERE relnamespace = 'accum'::regnamespace AND relname !~ '_[0-9]{4}_[0-9]{2}$'
			AND relkind IN ('r', 'p', 'v') ORDER BY 1}))
	{
		like($reference, qr/`\Q$relation\E`/, "the reference has relation $relation");
	}
	foreach my $index (split /\n/, $node->safe_psql('docs_check', q{
		SELECT replace(c.relname, 'inventory_', '<r>_') || ' ' ||
			regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING btree ', '')
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		WHERE c.relnamespace = 'accum'::regnamespace AND c.relname LIKE 'inventory\_%'
			AND NOT c.relispartition ORDER BY 1}))
	{
		my ($table, $columns) = split / /, $index, 2;

		# Each dimension has an index of its own there.
		$columns =~ s/^\((warehouse|product)\)$/(<dimension>)/;
		like($reference, qr/\| `\Q$table\E` \| `\Q$columns\E` \|/,
			"the reference has index $columns of $table");
	}
	foreach my $setting (split /\n/, $node->safe_psql('docs_check', q{
		LOAD 'pg_accumulator';
		SELECT name || ' ' || boot_val FROM pg_settings
		WHERE name LIKE 'pg\_accumulator.%' ORDER BY 1}))
	{
		my ($name, $default) = split / /, $setting, 2;

		like($reference, qr/\| `\Q$name\E` \| `?\Q$default\E`? \|/,
			"the reference has setting $name with its default");
	}
	return;
}

# What only ledgers have is told in a file of its own.
sub check_ledger
{
	my ($list) = @_;
	my $text = squeeze(slurp_file('docs/ledger.md'));

	$node->safe_psql('docs_check', q{SELECT accum.register_create('book', '{}',
		'{"amount": "numeric"}', kind => 'ledger')});
	foreach my $function (split /\n/, $node->safe_psql('docs_check', $list))
	{
		my ($name, $arguments) = $function =~ /^book_(\w+)\((.*)\)$/ or next;

		next if $reference =~ /\Qaccum.<r>_$name(\E ?\Q@{[parameters($arguments)]}\E ?\)/;
		$arguments = parameters($arguments);
		# Here a ledger's dimensions have parameters, too.
		$arguments .= ', p_<dimension> <type> DEFAULT NULL, …' if $name eq 'get_balance';
		like($text, qr/\Qaccum.<r>_$name(\E ?\Q$arguments\E ?\)/,
			"the reference has <r>_$name of a ledger with its parameters");
	}
	$node->safe_psql('docs_check', q{SELECT accum.register_drop('book')});
	return;
}

# Everything that the extension brings, and everything that a register is made
# of, but for partitions, which their parent explains.
sub check_comments
{
	is( $node->safe_psql('docs_check', q{
		SELECT pg_describe_object(d.classid, d.objid, 0)
		FROM pg_depend d
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_accumulator')
			AND d.classid <> 'pg_type'::regclass
			AND obj_description(d.objid, d.classid::regclass::name) IS NULL
		UNION ALL
		SELECT c.oid::regclass::text
		FROM pg_class c
		WHERE c.relnamespace = 'accum'::regnamespace AND c.relkind IN ('r', 'p', 'v')
			AND NOT c.relispartition AND obj_description(c.oid, 'pg_class') IS NULL
		UNION ALL
		SELECT p.oid::regprocedure::text
		FROM pg_proc p
		WHERE p.pronamespace = 'accum'::regnamespace
			AND obj_description(p.oid, 'pg_proc') IS NULL
		UNION ALL
		SELECT 'schema accum' WHERE obj_description('accum'::regnamespace, 'pg_namespace') IS NULL}),
		'', 'every object has a comment');
	return;
}

sub check_example
{
	my ($file) = @_;
	my @psql = ('psql', '--no-psqlrc', '--quiet', '--echo-queries', '--pset=pager=off',
		'--set=ON_ERROR_STOP=1', "--file=$file");
	my $output;

	$node->safe_psql('postgres', 'CREATE DATABASE docs_example');
	IPC::Run::run([ @psql, '--dbname=' . $node->connstr('docs_example') ], '>', \$output, '2>&1');
	is($? >> 8, 0, "$file runs") or diag($output);
	is(join("\n", grep { length > 100 } split /\n/, $output), '', "$file has no long lines");
	is(join("\n", $output =~ /^.*\| f$/mg), '', "$file ends with balances that are right");
	is(scalar(my @right = $output =~ /^ \w+ +\| OK$/mg), 4, "$file verifies its register");
	return;
}
