# Every command fetches Go 1.27 by itself when the installed one is older.
export GOTOOLCHAIN := auto
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PART ?= dsl

.PHONY: test help check fmt vet staticcheck archtest race examples bench bench-broker interop conformance-record fuzz stress

test:            ## the whole suite: needs nothing but Go
	go test ./...

help:            ## the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

check: fmt vet staticcheck archtest race examples ## what has to pass before a change lands

fmt:             ## fails if a file is not formatted
	@out="$$($$(go env GOROOT)/bin/gofmt -l $$(git ls-files '*.go'))"; if [ -n "$$out" ]; then echo "not formatted:"; echo "$$out"; exit 1; fi

vet:             ## what the Go team takes for a mistake
	go vet ./...

staticcheck:     ## what staticcheck takes for one
	go run $(STATICCHECK) ./...

archtest:        ## imports go one way, and the pages of the architecture are true
	go test ./internal/archtest

race:            ## the packages with goroutines, under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -short ./state/... ./topology ./streams/internal/runtime ./streams/internal/kafka ./streams/internal/assignor ./streams/streamstest ./broker/...
	CGO_ENABLED=1 go test -race -short -run TestApp ./streams

examples:        ## the examples and the programs of the README
	go test ./examples/...

bench:           ## workloads W0-W4 beside Java Kafka Streams and a hand-written loop, on a real Kafka
	scripts/bench.sh

bench-broker:    ## the embedded broker beside Apache Kafka
	scripts/bench-broker.sh

interop:         ## real Kafka, Java Kafka Streams and the Java clients against the examples and the embedded broker
	scripts/interop.sh

conformance-record: ## what Java Kafka Streams answers to conformance cases: make conformance-record IN=cases.jsonl OUT=folder/recorded.jsonl
	java -Xmx1g -Dorg.slf4j.simpleLogger.defaultLogLevel=off -cp "$$(scripts/kafka.sh classpath)" interop/Recorder.java $(IN) $(OUT)

fuzz:            ## every fuzz target for 20 s
	scripts/fuzz.sh 20s

stress:          ## the long reliability runs: make stress PART=dsl|state|group|wordcount|broker|crash|kafka
	scripts/stress.sh $(PART)
