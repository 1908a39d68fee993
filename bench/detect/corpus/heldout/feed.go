// A feed with GUESTS subscribers that come within RAMP seconds; an answered request is appended to a slice that is cut at
// MOST entries (0: never).
package main

import (
	"os"
	"strconv"
	"time"
)

func setting(name string, otherwise int) int {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return value
	}
	return otherwise
}

type entry struct {
	text string
	tags []string
}

func main() {
	guests, ramp, most := setting("GUESTS", 0), setting("RAMP", 40), setting("MOST", 0)
	entryBytes := setting("ENTRY_BYTES", 2000)
	var feeds []chan entry
	var history []entry
	progress, _ := os.Create(os.Getenv("PROGRESS"))
	started := time.Now()
	for number := 1; ; number++ {
		for len(feeds) < guests && float64(len(feeds)) < time.Since(started).Seconds()/float64(ramp)*float64(guests) {
			feed := make(chan entry, 8)
			feeds = append(feeds, feed)
			go func() {
				last := make([]byte, 20000)
				for got := range feed {
					copy(last, got.text)
				}
			}()
		}
		made := entry{text: string(make([]byte, entryBytes)), tags: []string{strconv.Itoa(number)}}
		history = append(history, made)
		if most > 0 && len(history) > most {
			history = history[1:]
		}
		for _, feed := range feeds {
			feed <- made
		}
		progress.WriteAt([]byte(strconv.Itoa(number)), 0)
		time.Sleep(time.Until(started.Add(time.Duration(number) * 50 * time.Millisecond)))
	}
}
