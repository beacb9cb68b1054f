# fuzz.pl - documents in JSON that were damaged at random.
#
# A good document is changed in some places: values get other types, keys are lost,
# doubled or misspelt, structures nested, numbers and dates driven out of range.  Each
# is posted, reposted, previewed and reconciled.  It is refused with an error that
# blames the document and stores nothing, or it is stored as it reads.
#
# The seed is fixed.  JSON itself is read by PostgreSQL; what is tried here is what the
# register makes of it.  ACCUM_LONG=1 tries more.

use strict;
use warnings;

use lib 'test/t';
use AccumTest;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tries = $ENV{ACCUM_LONG} ? 50_000 : 1_500;
my $node = new_server('fuzz');
my $json = JSON::PP->new->allow_nonref->canonical;
my @strings = ('', ' ', 'x', '0', '-1', '1.5', '1e400', '-1e-400', 'NaN', 'Infinity', '-infinity', 'null', 'true', '2001-01-01',
	'2001-01-01 12:00', '2001-02-30', '0001-01-01 BC', '9999-12-31 23:59:59.999999', '10000-01-01', 'infinity', 'now', 'epoch',
	'2001-01-01 00:00 Europe/London', '25:00', '99999999999999999999', '9223372036854775807', '-9223372036854775808', '32768', 'good', 'GOOD',
	'00000000-0000-0000-0000-000000000000', '{}', '[]', '{"a": 1}', '\\', '"', '%s', "\x{1F600}", "e\x{301}", 'a' x 300, 'a' x 3000,
	"\t", "\x{7f}", "line\nline", "'; SELECT 1; --");
my @raw = ('0', '-0', '1', '1.0', '1.5', '1e3', '1e400', '-1e-400', '99999999999999999999', '9223372036854775808', '0.' . '3' x 200,
	'1' . '0' x 200, 'null', 'true', 'false', '{}', '[]', '[[]]', '{"a": {}}', '[' x 50 . ']' x 50, '"\u0001"');
my @keys = qw(recorder period movement_type w k u made flag q s note id dim_hash recorded_at Recorder q_receipt);

$node->safe_psql('postgres', q{
	CREATE TYPE grade AS ENUM ('good', 'poor');
	SELECT accum.register_create('fuzz', '[{"name": "w", "type": "text", "required": true}, {"name": "k", "type": "public.grade"},
			{"name": "u", "type": "uuid"}, {"name": "made", "type": "date"}, {"name": "flag", "type": "boolean"}]',
		'{"q": "numeric(12,2)", "s": "smallint"}', attributes => '{"note": "varchar(10)"}', time_zone => 'Europe/London', partition_by => 'year');
	CREATE TABLE seen (outcome text, n bigint DEFAULT 1, PRIMARY KEY (outcome));
	-- Everything that may be done with a document.  An error that is not the document's fault, or
	-- one that leaves something behind, is not caught.
	CREATE PROCEDURE try(document jsonb) LANGUAGE plpgsql AS $$
	DECLARE
		before bigint := (SELECT count(*) FROM accum.fuzz_movements);
		stored bigint := 0;
		calls text[] := ARRAY['SELECT accum.register_post(''fuzz'', $1)', 'SELECT accum.register_repost(''fuzz'', ''d'', $1)',
			'SELECT count(*) FROM accum.register_preview(''fuzz'', ''d'', $1)', 'SELECT count(*) FROM accum.register_post(''fuzz'', $1, true)',
			'SELECT count(*) FROM accum.register_reconcile(''fuzz'', ''r'', ''2001-05-05'', $1)'];
		call text;
		code text;
	BEGIN
		FOREACH call IN ARRAY calls LOOP
			BEGIN
				EXECUTE call USING document INTO stored;
				IF call ~ 'register_post\(''fuzz'', \$1\)' AND (SELECT count(*) FROM accum.fuzz_movements) <> before + stored THEN
					RAISE 'stored % of %', stored, document USING ERRCODE = 'AC001';
				END IF;
				RAISE 'undo' USING ERRCODE = 'AC000';
			EXCEPTION WHEN OTHERS THEN
				code := SQLSTATE;
				IF code NOT IN ('AC000', '22023', '22P02', '22003', '22007', '22008', '22009', '22001', '22P05', '23502', '54000', '23505', '21000', '2201X') THEN
					RAISE '% is the answer to % with %: %', code, call, document, SQLERRM USING ERRCODE = 'AC002';
				END IF;
			END;
			INSERT INTO seen VALUES (code) ON CONFLICT (outcome) DO UPDATE SET n = seen.n + 1;
		END LOOP;
		IF (SELECT count(*) FROM accum.fuzz_movements) <> before THEN
			RAISE 'something was left of %', document USING ERRCODE = 'AC003';
		END IF;
	END $$;
	SELECT accum.register_post('fuzz', '{"recorder": "d", "period": "2001-01-01", "w": "x", "k": null, "u": null, "made": null, "flag": true, "q": 1, "note": null}');});

srand(20260101);
my $script = join "\n", map { 'CALL try(' . literal(damaged()) . ');' } 1 .. $tries;
my ($result, $stdout, $stderr) = $node->psql('postgres', $script, on_error_stop => 0);

is($result, 0, 'the session has survived');
# What is no JSON, or a number that jsonb cannot keep, does not get as far as the register.
my @errors = grep { !/invalid input syntax for type json|value overflows numeric format|unsupported Unicode/ } $stderr =~ /ERROR: .*/g;
is_deeply(\@errors, [], 'each document was refused with a reason, or stored');
note($node->safe_psql('postgres', 'SELECT outcome, n FROM seen ORDER BY n DESC'));
is($node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE outcome = 'AC000'), count(*) FILTER (WHERE outcome = '22023'), count(*) > 5 FROM seen"),
	'1|1|t', 'there were all kinds');
register_is_right($node, 'postgres', 'fuzz', 'at the end');

$node->stop;
done_testing();

sub one_of { return $_[ rand @_ ] }

# A movement that is right, as texts of JSON by key.
sub movement
{
	return { recorder => '"d"', period => '"2001-03-04 10:00"', w => '"x"', k => '"good"', u => 'null', made => '"2001-01-01"',
		flag => 'false', q => '5.25', s => '7', note => '"n"' };
}

# Documents of one to three movements with one to three places that were changed.
sub damaged
{
	my @movements = map { movement() } 1 .. 1 + rand 3;

	for (1 .. 1 + rand 3)
	{
		my $movement = one_of(@movements);
		my $key = one_of(sort keys %$movement) // next;
		my $way = int(rand 6);

		if ($way == 0) { delete $movement->{$key} }
		elsif ($way == 1) { $movement->{ one_of(@keys, @strings) } = $movement->{$key} }
		elsif ($way == 2) { $movement->{$key} = $json->encode(one_of(@strings) . '') }
		elsif ($way == 3) { $movement->{$key} = one_of(@raw) }
		elsif ($way == 4) { $movement->{$key} = "[$movement->{$key}]" }
		else { $movement->{$key} = $json->encode(join '', map { chr(32 + rand 700) } 1 .. rand 12) }
	}
	my @texts = map { my $movement = $_; '{' . join(', ', map { $json->encode($_) . ': ' . $movement->{$_} } sort keys %$movement) . '}' } @movements;
	push @texts, one_of(@raw) if rand() < 0.05;
	return @texts == 1 && rand() < 0.5 ? $texts[0] : '[' . join(', ', @texts) . ']';
}

sub literal
{
	my ($text) = @_;

	utf8::encode($text) if utf8::is_utf8($text);
	return "'" . ($text =~ s/'/''/gr) . "'";
}
