package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var franzChecks = []check{
	{"franz-go: records in every codec with keys, headers and timestamps come back", franzCodecs},
	{"franz-go: an idempotent producer's records arrive once and in order", franzIdempotence},
	{"franz-go: two members of a cooperative group share partitions, and one takes over", franzRebalance},
	{"franz-go: two members of a KIP-848 group share partitions, and one takes over", franzNewGroup},
	{"franz-go: a group commits and goes on where it stopped", franzResume},
	{"franz-go: a subscription by regular expression", franzRegex},
	{"franz-go: offsets by time, at the start, at the end and of the latest timestamp", franzOffsets},
	{"franz-go: committed and aborted transactions under read_committed", franzTransactions},
	{"franz-go: an exactly-once copy commits offsets with its transactions", franzCopy},
	{"franz-go: an older producer of a transactional id is fenced", franzFencing},
	{"franz-go: admin: topics, partitions, configs, groups, records, log dirs, transactions", franzAdmin},
}

func (s *suite) franz(options ...kgo.Opt) (*kgo.Client, error) {
	all := []kgo.Opt{kgo.SeedBrokers(s.brokers...), kgo.MetadataMinAge(100 * time.Millisecond), kgo.MetadataMaxAge(time.Second)}
	return kgo.NewClient(append(all, options...)...)
}

// franzTopic makes a topic that every broker knows. It keeps old records: checks write some that retention would take away.
func (s *suite) franzTopic(what string, partitions int32) (string, error) {
	client, err := s.franz()
	if err != nil {
		return "", err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	topic, forever := s.name(what), "-1"
	_, err = kadm.NewClient(client).CreateTopic(ctx, partitions, -1, map[string]*string{"retention.ms": &forever}, topic)
	if err != nil {
		return "", err
	}
	return topic, s.known(client, topic, int(partitions))
}

// known waits until each broker knows so many partitions of a topic: clients ask any of them, and of a cluster's the
// others hear of a change after the one that answered it.
func (s *suite) known(client *kgo.Client, topic string, partitions int) error {
	return until(fmt.Sprintf("every broker knows %d partitions of %s", partitions, topic), func() (bool, error) {
		ctx, cancel := deadline()
		defer cancel()
		for _, broker := range client.SeedBrokers() {
			request := kmsg.NewPtrMetadataRequest()
			asked := kmsg.NewMetadataRequestTopic()
			asked.Topic = &topic
			request.Topics = append(request.Topics, asked)
			response, err := broker.Request(ctx, request)
			if err != nil {
				return false, err
			}
			for _, found := range response.(*kmsg.MetadataResponse).Topics {
				if err := kerr.ErrorForCode(found.ErrorCode); err != nil || len(found.Partitions) != partitions {
					return false, fmt.Errorf("one knows %d: %w", len(found.Partitions), err)
				}
			}
		}
		return true, nil
	})
}

// franzSend sends values keyed by themselves.
func (s *suite) franzSend(topic string, values []string, options ...kgo.Opt) error {
	client, err := s.franz(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	for _, value := range values {
		client.Produce(ctx, &kgo.Record{Topic: topic, Key: []byte(value), Value: []byte(value)}, nil)
	}
	return client.Flush(ctx)
}

// franzRead reads until so many records came.
func franzRead(client *kgo.Client, count int) ([]*kgo.Record, error) {
	ctx, cancel := deadline()
	defer cancel()
	var records []*kgo.Record
	for len(records) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return records, fmt.Errorf("after %d of %d records: %w", len(records), count, err)
		}
		for _, failed := range fetches.Errors() {
			return records, failed.Err
		}
		records = append(records, fetches.Records()...)
	}
	return records, nil
}

func numbers(from, to int) []string {
	var texts []string
	for number := from; number < to; number++ {
		texts = append(texts, strconv.Itoa(number))
	}
	return texts
}

func values(records []*kgo.Record) []string {
	var texts []string
	for _, record := range records {
		texts = append(texts, string(record.Value))
	}
	return texts
}

func franzCodecs(s *suite) error {
	topic, err := s.franzTopic("codecs", 1)
	if err != nil {
		return err
	}
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	at := time.UnixMilli(1_700_000_000_123)
	for name, codec := range codecs {
		client, err := s.franz(kgo.ProducerBatchCompression(codec))
		if err != nil {
			return err
		}
		for range 20 {
			client.Produce(context.Background(), &kgo.Record{
				Topic: topic, Key: []byte(name), Value: []byte(name + " value value value value value"), Timestamp: at,
				Headers: []kgo.RecordHeader{{Key: "codec", Value: []byte(name)}, {Key: "none", Value: nil}},
			}, nil)
		}
		client.Produce(context.Background(), &kgo.Record{Topic: topic, Key: []byte(name), Value: nil, Timestamp: at}, nil)
		ctx, cancel := deadline()
		err = client.Flush(ctx)
		cancel()
		client.Close()
		if err != nil {
			return err
		}
	}
	client, err := s.franz(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	records, err := franzRead(client, 21*len(codecs))
	if err != nil {
		return err
	}
	tombstones := 0
	for _, record := range records {
		if !record.Timestamp.Equal(at) {
			return fmt.Errorf("timestamp %v, sent at %v", record.Timestamp, at)
		}
		if record.Value == nil {
			tombstones++
			continue
		}
		name := string(record.Key)
		if err := expect("value", string(record.Value), name+" value value value value value"); err != nil {
			return err
		}
		if len(record.Headers) != 2 || string(record.Headers[0].Value) != name || record.Headers[1].Value != nil {
			return fmt.Errorf("headers %v", record.Headers)
		}
	}
	return expect("records without a value", tombstones, len(codecs))
}

func franzIdempotence(s *suite) error {
	topic, err := s.franzTopic("idempotence", 1)
	if err != nil {
		return err
	}
	sent := numbers(0, 20_000)
	if err := s.franzSend(topic, sent, kgo.MaxBufferedRecords(30_000), kgo.ProducerLinger(0), kgo.ProducerBatchMaxBytes(4_000)); err != nil {
		return err
	}
	client, err := s.franz(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	records, err := franzRead(client, len(sent))
	if err != nil {
		return err
	}
	for index, record := range records {
		if record.Offset != int64(index) || string(record.Value) != sent[index] {
			return fmt.Errorf("record %d: offset %d, value %s", index, record.Offset, record.Value)
		}
	}
	return nil
}

// member is a group member that keeps polling and says what it owns.
type member struct {
	client *kgo.Client
	stop   context.CancelFunc
	done   chan struct{}
}

func (s *suite) franzMember(group, topic string, options ...kgo.Opt) (*member, error) {
	all := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	client, err := s.franz(append(all, options...)...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{client, cancel, make(chan struct{})}
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			client.PollFetches(ctx)
		}
	}()
	return m, nil
}

func (m *member) leave() {
	m.stop()
	<-m.done
	m.client.Close()
}

// franzShare has two members join, share six partitions, and one leave.
func franzShare(s *suite, newGroup bool) error {
	topic, err := s.franzTopic("share", 6)
	if err != nil {
		return err
	}
	if err := s.franzSend(topic, numbers(0, 600)); err != nil {
		return err
	}
	group := s.name("group")
	options := []kgo.Opt{kgo.DisableAutoCommit()}
	if newGroup {
		options = append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
	} else {
		options = append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	}
	admin, err := s.franz()
	if err != nil {
		return err
	}
	defer admin.Close()
	one, err := s.franzMember(group, topic, options...)
	if err != nil {
		return err
	}
	if err := s.franzOwn(admin, group, newGroup, []int{6}); err != nil {
		one.leave()
		return err
	}
	two, err := s.franzMember(group, topic, options...)
	if err != nil {
		one.leave()
		return err
	}
	err = s.franzOwn(admin, group, newGroup, []int{3, 3})
	one.leave()
	if err == nil {
		err = s.franzOwn(admin, group, newGroup, []int{6})
	}
	two.leave()
	return err
}

// franzOwn waits until the members own so many partitions each.
func (s *suite) franzOwn(client *kgo.Client, group string, newGroup bool, expected []int) error {
	admin := kadm.NewClient(client)
	return until(fmt.Sprintf("members own %v partitions", expected), func() (bool, error) {
		ctx, cancel := deadline()
		defer cancel()
		var owned []int
		if newGroup {
			described, err := admin.DescribeConsumerGroups(ctx, group)
			if err != nil {
				return false, err
			}
			for _, member := range described[group].Members {
				count := 0
				for _, partitions := range member.Assignment {
					count += len(partitions)
				}
				owned = append(owned, count)
			}
		} else {
			described, err := admin.DescribeGroups(ctx, group)
			if err != nil {
				return false, err
			}
			for _, member := range described[group].Members {
				count := 0
				if assigned, ok := member.Assigned.AsConsumer(); ok {
					for _, topic := range assigned.Topics {
						count += len(topic.Partitions)
					}
				}
				owned = append(owned, count)
			}
		}
		sort.Ints(owned)
		return fmt.Sprint(owned) == fmt.Sprint(expected), fmt.Errorf("they own %v", owned)
	})
}

func franzRebalance(s *suite) error { return franzShare(s, false) }

func franzNewGroup(s *suite) error { return franzShare(s, true) }

func franzResume(s *suite) error {
	topic, err := s.franzTopic("resume", 1)
	if err != nil {
		return err
	}
	if err := s.franzSend(topic, numbers(0, 10)); err != nil {
		return err
	}
	group := s.name("group")
	options := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit()}
	first, err := s.franz(options...)
	if err != nil {
		return err
	}
	records, err := franzRead(first, 10)
	if err == nil {
		ctx, cancel := deadline()
		err = first.CommitRecords(ctx, records[:4]...)
		cancel()
	}
	first.Close()
	if err != nil {
		return err
	}
	second, err := s.franz(options...)
	if err != nil {
		return err
	}
	defer second.Close()
	records, err = franzRead(second, 6)
	if err != nil {
		return err
	}
	return expect("values", values(records), numbers(4, 10))
}

func franzRegex(s *suite) error {
	prefix := s.name("regex")
	client, err := s.franz(kgo.AllowAutoTopicCreation())
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	admin := kadm.NewClient(client)
	for _, end := range []string{"-a", "-b"} {
		if _, err := admin.CreateTopic(ctx, 1, -1, nil, prefix+end); err != nil {
			return err
		}
		if err := s.known(client, prefix+end, 1); err != nil {
			return err
		}
		if err := s.franzSend(prefix+end, []string{end}); err != nil {
			return err
		}
	}
	reader, err := s.franz(kgo.ConsumerGroup(s.name("group")), kgo.ConsumeRegex(), kgo.ConsumeTopics("^"+prefix+"-[ab]$"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer reader.Close()
	records, err := franzRead(reader, 2)
	if err != nil {
		return err
	}
	found := values(records)
	sort.Strings(found)
	return expect("values", found, []string{"-a", "-b"})
}

func franzOffsets(s *suite) error {
	topic, err := s.franzTopic("offsets", 1)
	if err != nil {
		return err
	}
	client, err := s.franz()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	base := time.Now().UnixMilli()
	for _, after := range []int64{0, 5_000, 1_000} {
		record := &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: time.UnixMilli(base + after)}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return err
		}
	}
	admin := kadm.NewClient(client)
	lists := []struct {
		name     string
		list     func() (kadm.ListedOffsets, error)
		expected int64
	}{
		{"start", func() (kadm.ListedOffsets, error) { return admin.ListStartOffsets(ctx, topic) }, 0},
		{"end", func() (kadm.ListedOffsets, error) { return admin.ListEndOffsets(ctx, topic) }, 3},
		{"committed end", func() (kadm.ListedOffsets, error) { return admin.ListCommittedOffsets(ctx, topic) }, 3},
		{"latest timestamp", func() (kadm.ListedOffsets, error) { return admin.ListMaxTimestampOffsets(ctx, topic) }, 1},
		{"after 500 ms", func() (kadm.ListedOffsets, error) { return admin.ListOffsetsAfterMilli(ctx, base+500, topic) }, 1},
		{"after all", func() (kadm.ListedOffsets, error) { return admin.ListOffsetsAfterMilli(ctx, base+60_000, topic) }, 3},
	}
	for _, one := range lists {
		listed, err := one.list()
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		offset, _ := listed.Lookup(topic, 0)
		if err := expect(one.name, offset.Offset, one.expected); err != nil {
			return err
		}
	}
	return nil
}

func franzTransactions(s *suite) error {
	topic, err := s.franzTopic("transactions", 2)
	if err != nil {
		return err
	}
	client, err := s.franz(kgo.TransactionalID(s.name("txn")), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	for round, outcome := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		for partition := range int32(2) {
			record := &kgo.Record{Partition: partition, Value: []byte(strconv.Itoa(round))}
			if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
				return err
			}
		}
		if err := client.EndTransaction(ctx, outcome); err != nil {
			return err
		}
	}
	for _, isolation := range []struct {
		level    kgo.IsolationLevel
		expected []string
	}{{kgo.ReadCommitted(), []string{"0", "0", "2", "2"}}, {kgo.ReadUncommitted(), []string{"0", "0", "1", "1", "2", "2"}}} {
		reader, err := s.franz(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(isolation.level), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if err != nil {
			return err
		}
		records, err := franzRead(reader, len(isolation.expected))
		reader.Close()
		if err != nil {
			return err
		}
		found := values(records)
		sort.Strings(found)
		if err := expect("values", found, isolation.expected); err != nil {
			return err
		}
	}
	return nil
}

func franzCopy(s *suite) error {
	from, err := s.franzTopic("from", 2)
	if err != nil {
		return err
	}
	to, err := s.franzTopic("to", 2)
	if err != nil {
		return err
	}
	if err := s.franzSend(from, numbers(0, 300)); err != nil {
		return err
	}
	group := s.name("group")
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(s.brokers...), kgo.TransactionalID(s.name("copy")), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(from), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RequireStableFetchOffsets(),
	)
	if err != nil {
		return err
	}
	ctx, cancel := deadline()
	defer cancel()
	copied, aborted := 0, false
	for copied < 300 {
		fetches := session.PollRecords(ctx, 100)
		if err := fetches.Err0(); err != nil {
			session.Close()
			return err
		}
		if err := session.Begin(); err != nil {
			session.Close()
			return err
		}
		records := fetches.Records()
		for _, record := range records {
			session.Produce(ctx, &kgo.Record{Topic: to, Value: record.Value}, nil)
		}
		// The first attempt is thrown away: its records must be read and copied again.
		outcome := kgo.TransactionEndTry(aborted)
		aborted = true
		committed, err := session.End(ctx, outcome)
		if err != nil {
			session.Close()
			return err
		}
		if committed {
			copied += len(records)
		}
	}
	session.Close()
	reader, err := s.franz(kgo.ConsumeTopics(to), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer reader.Close()
	records, err := franzRead(reader, 300)
	if err != nil {
		return err
	}
	seen := map[string]int{}
	for _, value := range values(records) {
		seen[value]++
	}
	if len(seen) != 300 {
		return fmt.Errorf("%d different values of 300", len(seen))
	}
	// A cluster answers a commit before its markers are everywhere.
	return until("all is committed", func() (bool, error) {
		offsets, err := kadm.NewClient(reader).FetchOffsets(ctx, group)
		if err != nil {
			return false, err
		}
		sum := int64(0)
		offsets.Each(func(offset kadm.OffsetResponse) { sum += offset.At })
		return sum == 300, fmt.Errorf("%d records are", sum)
	})
}

func franzFencing(s *suite) error {
	topic, err := s.franzTopic("fencing", 1)
	if err != nil {
		return err
	}
	id := s.name("fenced")
	older, err := s.franz(kgo.TransactionalID(id), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer older.Close()
	ctx, cancel := deadline()
	defer cancel()
	if err := older.BeginTransaction(); err != nil {
		return err
	}
	if err := older.ProduceSync(ctx, kgo.StringRecord("of the older")).FirstErr(); err != nil {
		return err
	}
	newer, err := s.franz(kgo.TransactionalID(id), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer newer.Close()
	if err := newer.BeginTransaction(); err != nil {
		return err
	}
	if err := newer.ProduceSync(ctx, kgo.StringRecord("of the newer")).FirstErr(); err != nil {
		return err
	}
	if err := newer.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	err = older.EndTransaction(ctx, kgo.TryCommit)
	if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		return fmt.Errorf("the older producer's commit: %v", err)
	}
	reader, err := s.franz(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer reader.Close()
	records, err := franzRead(reader, 1)
	if err != nil {
		return err
	}
	return expect("values", values(records), []string{"of the newer"})
}
