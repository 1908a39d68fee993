# Forks a child per request, which does its work and ends; with FORGET_EVERY the parent does not wait for each so many-th.
use strict;
use warnings;
use POSIX ();
use Time::HiRes qw(time sleep);

my ($forget_every, $rate) = ($ENV{FORGET_EVERY} // 0, $ENV{RATE} // 2);
my $progress;
open $progress, '>', $ENV{PROGRESS} or die if $ENV{PROGRESS};
my $started = time;
for (my $number = 1; ; $number++) {
    my $pid = fork;
    if (!$pid) { sleep 0.1; POSIX::_exit(0); }
    waitpid $pid, 0 unless $forget_every && $number % $forget_every == 0;
    if ($progress) { sysseek $progress, 0, 0; syswrite $progress, $number; }
    my $early = $number / $rate - (time() - $started);
    sleep $early if $early > 0;
}
