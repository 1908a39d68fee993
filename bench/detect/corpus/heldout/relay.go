// A relay with a goroutine per request. STUCK of a hundred wait for ever; GARBAGE_KIB per request is garbage; the answers
// of the last KEEP requests are kept (0: none).
package main

import (
	"math/rand"
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

func main() {
	stuck, garbageKib, keep := setting("STUCK", 0), setting("GARBAGE_KIB", 20), setting("KEEP", 0)
	answerBytes, rate := setting("ANSWER_BYTES", 8000), setting("RATE", 25)
	never := make(chan bool)
	answers := map[int][]byte{}
	progress, _ := os.Create(os.Getenv("PROGRESS"))
	started := time.Now()
	for number := 1; ; number++ {
		waits := rand.Intn(100) < stuck
		go func(number int) {
			own := make([]byte, answerBytes)
			rand.Read(own)
			if waits {
				<-never
			}
			own[0] = byte(number)
		}(number)
		for index := 0; index < garbageKib; index++ {
			_ = append([]byte(strconv.Itoa(number)), make([]byte, 1000)...)
		}
		if keep > 0 {
			answers[number] = make([]byte, answerBytes)
			rand.Read(answers[number])
			delete(answers, number-keep)
		}
		progress.WriteAt([]byte(strconv.Itoa(number)), 0)
		time.Sleep(time.Until(started.Add(time.Duration(number) * time.Second / time.Duration(rate))))
	}
}
