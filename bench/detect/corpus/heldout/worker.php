<?php
// A queue worker with a static registry of what it has seen: everything (KEEP=0) or the last KEEP.
[$keep, $bytes, $rate] = [(int) getenv('KEEP'), (int) (getenv('BYTES') ?: 4000), 20];
$progress = getenv('PROGRESS') ? fopen(getenv('PROGRESS'), 'w') : null;
ini_set('memory_limit', '-1');

final class Registry
{
    public static array $seen = [];
}

$started = microtime(true);
for ($number = 1; ; $number++) {
    $rows = array_map(fn ($index) => ['id' => $index, 'text' => md5("$number $index")], range(1, 200));
    Registry::$seen[$number] = random_bytes($bytes) . count($rows);
    if ($keep && count(Registry::$seen) > $keep) unset(Registry::$seen[$number - $keep]);
    if ($progress) { fseek($progress, 0); fwrite($progress, (string) $number); fflush($progress); }
    usleep((int) max(0, 1e6 * ($started + $number / $rate - microtime(true))));
}
