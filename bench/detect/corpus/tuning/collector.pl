# Takes in lines and keeps them for a flush that never comes (KEEP=1), or flushes every 200 lines (KEEP=0).
use strict;
use warnings;
use Time::HiRes qw(time sleep);

my ($keep, $rate, $line_bytes) = ($ENV{KEEP} // 0, $ENV{RATE} // 25, $ENV{LINE_BYTES} // 2500);
my (@lines, $progress);
open $progress, '>', $ENV{PROGRESS} or die if $ENV{PROGRESS};
my $started = time;
for (my $number = 1; ; $number++) {
    push @lines, join ',', $number, map { int rand 1e6 } 1 .. $line_bytes / 7;
    @lines = () if !$keep && @lines >= 200;
    if ($progress) { sysseek $progress, 0, 0; syswrite $progress, $number; }
    my $early = $number / $rate - (time() - $started);
    sleep $early if $early > 0;
}
