# Counts visits per visitor in a hash: of all visitors (MOST=0) or until there are MOST, then it begins again.
use strict;
use warnings;
use Time::HiRes qw(time sleep);

my ($most, $rate, $bytes) = ($ENV{MOST} // 0, $ENV{RATE} // 25, $ENV{BYTES} // 1200);
my (%visits, $progress);
open $progress, '>', $ENV{PROGRESS} or die if $ENV{PROGRESS};
my $started = time;
for (my $number = 1; ; $number++) {
    $visits{"visitor-$number-" . int rand 1e9} = { count => 1, pages => [map { int rand 1e6 } 1 .. $bytes / 32] };
    %visits = () if $most && keys %visits >= $most;
    if ($progress) { sysseek $progress, 0, 0; syswrite $progress, $number; }
    my $early = $number / $rate - (time() - $started);
    sleep $early if $early > 0;
}
