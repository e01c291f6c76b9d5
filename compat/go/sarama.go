package main

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var saramaChecks = []check{
	{"sarama: records in every codec with keys, headers and timestamps come back", saramaCodecs},
	{"sarama: an idempotent producer's records arrive once and in order", saramaIdempotence},
	{"sarama: two members of a group share partitions, and one takes over", saramaRebalance},
	{"sarama: a group commits and goes on where it stopped", saramaResume},
	{"sarama: offsets by time, at the start and at the end", saramaOffsets},
	{"sarama: committed and aborted transactions under read_committed", saramaTransactions},
	{"sarama: admin: topics, partitions, configs, groups, records, log dirs", saramaAdmin},
}

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Rebalance.Timeout = 10 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Metadata.RefreshFrequency = time.Second
	return config
}

// saramaRead reads so many records of partition 0.
func (s *suite) saramaRead(topic string, partition int32, count int, config *sarama.Config) ([]*sarama.ConsumerMessage, error) {
	consumer, err := sarama.NewConsumer(s.brokers, config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	reading, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	defer reading.Close()
	var messages []*sarama.ConsumerMessage
	timeout := time.After(limit)
	for len(messages) < count {
		select {
		case message := <-reading.Messages():
			messages = append(messages, message)
		case <-timeout:
			return messages, fmt.Errorf("%d of %d records came", len(messages), count)
		}
	}
	return messages, nil
}

func (s *suite) saramaSend(topic string, config *sarama.Config, texts []string) error {
	producer, err := sarama.NewSyncProducer(s.brokers, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for _, text := range texts {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(text), Value: sarama.StringEncoder(text)})
	}
	return producer.SendMessages(messages)
}

func saramaCodecs(s *suite) error {
	topic, err := s.franzTopic("codecs", 1)
	if err != nil {
		return err
	}
	at := time.UnixMilli(1_700_000_000_123)
	codecs := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD}
	for _, codec := range codecs {
		config := saramaConfig()
		config.Producer.Compression = codec
		producer, err := sarama.NewSyncProducer(s.brokers, config)
		if err != nil {
			return err
		}
		var messages []*sarama.ProducerMessage
		for range 20 {
			messages = append(messages, &sarama.ProducerMessage{
				Topic: topic, Key: sarama.StringEncoder(codec.String()), Value: sarama.StringEncoder("value value value value"), Timestamp: at,
				Headers: []sarama.RecordHeader{{Key: []byte("codec"), Value: []byte(codec.String())}},
			})
		}
		err = producer.SendMessages(messages)
		_ = producer.Close()
		if err != nil {
			return fmt.Errorf("%v: %w", codec, err)
		}
	}
	messages, err := s.saramaRead(topic, 0, 20*len(codecs), saramaConfig())
	if err != nil {
		return err
	}
	for _, message := range messages {
		if string(message.Value) != "value value value value" || !message.Timestamp.Equal(at) || len(message.Headers) != 1 || string(message.Headers[0].Value) != string(message.Key) {
			return fmt.Errorf("offset %d: %+v", message.Offset, message)
		}
	}
	return nil
}

func saramaIdempotence(s *suite) error {
	topic, err := s.franzTopic("idempotence", 1)
	if err != nil {
		return err
	}
	config := saramaConfig()
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	sent := numbers(0, 5_000)
	if err := s.saramaSend(topic, config, sent); err != nil {
		return err
	}
	messages, err := s.saramaRead(topic, 0, len(sent), saramaConfig())
	if err != nil {
		return err
	}
	for index, message := range messages {
		if message.Offset != int64(index) || string(message.Value) != sent[index] {
			return fmt.Errorf("record %d: offset %d, value %s", index, message.Offset, message.Value)
		}
	}
	return nil
}

// saramaMember is a group member that notes what it owns and what it read.
type saramaMember struct {
	group  sarama.ConsumerGroup
	stop   context.CancelFunc
	done   chan struct{}
	commit int64

	mutex  sync.Mutex
	owned  int
	values []string
}

func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.owned = 0
	for _, partitions := range session.Claims() {
		m.owned += len(partitions)
	}
	return nil
}

func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			m.mutex.Lock()
			m.values = append(m.values, string(message.Value))
			m.mutex.Unlock()
			if message.Offset == m.commit {
				session.MarkMessage(message, "marked")
				session.Commit()
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *saramaMember) state() (int, []string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.owned, m.values
}

func (s *suite) saramaJoin(group, topic string, commit int64) (*saramaMember, error) {
	config := saramaConfig()
	joined, err := sarama.NewConsumerGroup(s.brokers, group, config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &saramaMember{group: joined, stop: cancel, done: make(chan struct{}), commit: commit}
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			if err := joined.Consume(ctx, []string{topic}, m); err != nil {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return m, nil
}

func (m *saramaMember) leave() {
	m.stop()
	<-m.done
	_ = m.group.Close()
}

func saramaRebalance(s *suite) error {
	topic, err := s.franzTopic("share", 6)
	if err != nil {
		return err
	}
	group := s.name("group")
	one, err := s.saramaJoin(group, topic, -1)
	if err != nil {
		return err
	}
	owns := func(m *saramaMember, count int) func() (bool, error) {
		return func() (bool, error) {
			owned, _ := m.state()
			return owned == count, fmt.Errorf("it owns %d", owned)
		}
	}
	if err := until("the first owns all", owns(one, 6)); err != nil {
		one.leave()
		return err
	}
	two, err := s.saramaJoin(group, topic, -1)
	if err != nil {
		one.leave()
		return err
	}
	defer two.leave()
	err = until("the second owns half", owns(two, 3))
	if err == nil {
		err = until("the first owns half", owns(one, 3))
	}
	one.leave()
	if err != nil {
		return err
	}
	return until("the second owns all", owns(two, 6))
}

func saramaResume(s *suite) error {
	topic, err := s.franzTopic("resume", 1)
	if err != nil {
		return err
	}
	if err := s.saramaSend(topic, saramaConfig(), numbers(0, 10)); err != nil {
		return err
	}
	group := s.name("group")
	for _, round := range []struct {
		commit   int64
		expected []string
	}{{3, numbers(0, 10)}, {-1, numbers(4, 10)}} {
		m, err := s.saramaJoin(group, topic, round.commit)
		if err != nil {
			return err
		}
		err = until("the values came", func() (bool, error) {
			_, values := m.state()
			return fmt.Sprint(values) == fmt.Sprint(round.expected), fmt.Errorf("found %v", values)
		})
		m.leave()
		if err != nil {
			return err
		}
	}
	return nil
}

func saramaOffsets(s *suite) error {
	topic, err := s.franzTopic("offsets", 1)
	if err != nil {
		return err
	}
	client, err := sarama.NewClient(s.brokers, saramaConfig())
	if err != nil {
		return err
	}
	defer client.Close()
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return err
	}
	base := time.Now().UnixMilli()
	for number := range int64(5) {
		message := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("x"), Timestamp: time.UnixMilli(base + number*1000)}
		if _, _, err := producer.SendMessage(message); err != nil {
			return err
		}
	}
	for _, one := range []struct{ at, expected int64 }{{sarama.OffsetOldest, 0}, {sarama.OffsetNewest, 5}, {base + 2_500, 3}} {
		offset, err := client.GetOffset(topic, 0, one.at)
		if err != nil {
			return err
		}
		if err := expect(fmt.Sprintf("offset at %d", one.at), offset, one.expected); err != nil {
			return err
		}
	}
	return nil
}

func saramaTransactions(s *suite) error {
	topic, err := s.franzTopic("transactions", 1)
	if err != nil {
		return err
	}
	source, err := s.franzTopic("source", 1)
	if err != nil {
		return err
	}
	config := saramaConfig()
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Transaction.ID = s.name("txn")
	producer, err := sarama.NewSyncProducer(s.brokers, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	group, metadata := s.name("group"), "moved"
	for round, commit := range []bool{true, false, true} {
		if err := producer.BeginTxn(); err != nil {
			return err
		}
		for range 2 {
			if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(strconv.Itoa(round))}); err != nil {
				return err
			}
		}
		offsets := map[string][]*sarama.PartitionOffsetMetadata{source: {{Partition: 0, Offset: int64(round + 1), Metadata: &metadata, LeaderEpoch: -1}}}
		if err := producer.AddOffsetsToTxn(offsets, group); err != nil {
			return err
		}
		if commit {
			err = producer.CommitTxn()
		} else {
			err = producer.AbortTxn()
		}
		if err != nil {
			return err
		}
	}
	reading := saramaConfig()
	reading.Consumer.IsolationLevel = sarama.ReadCommitted
	messages, err := s.saramaRead(topic, 0, 4, reading)
	if err != nil {
		return err
	}
	var found []string
	for _, message := range messages {
		found = append(found, string(message.Value))
	}
	if err := expect("values", found, []string{"0", "0", "2", "2"}); err != nil {
		return err
	}
	admin, err := sarama.NewClusterAdmin(s.brokers, saramaConfig())
	if err != nil {
		return err
	}
	defer admin.Close()
	return until("the committed offset is the last transaction's", func() (bool, error) {
		fetched, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{source: {0}})
		if err != nil {
			return false, err
		}
		return fetched.GetBlock(source, 0).Offset == 3, fmt.Errorf("%+v", fetched.GetBlock(source, 0))
	})
}

func saramaAdmin(s *suite) error {
	admin, err := sarama.NewClusterAdmin(s.brokers, saramaConfig())
	if err != nil {
		return err
	}
	defer admin.Close()
	topic, compact := s.name("admin"), "compact,delete"
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"cleanup.policy": &compact}}, false); err != nil {
		return err
	}
	if err := admin.CreatePartitions(topic, 3, nil, false); err != nil {
		return err
	}
	if err := until("the topic has three partitions", func() (bool, error) {
		topics, err := admin.DescribeTopics([]string{topic})
		return err == nil && len(topics) == 1 && len(topics[0].Partitions) == 3, err
	}); err != nil {
		return err
	}
	client, err := s.franz()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := s.known(client, topic, 3); err != nil {
		return err
	}
	value := "123456"
	entries := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}
	if err := admin.IncrementalAlterConfig(sarama.TopicResource, topic, entries, false); err != nil {
		return err
	}
	if err := until("the topic is configured", func() (bool, error) {
		configs, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms", "cleanup.policy"}})
		if err != nil {
			return false, err
		}
		var texts []string
		for _, config := range configs {
			texts = append(texts, config.Name+"="+config.Value)
		}
		sort.Strings(texts)
		return fmt.Sprint(texts) == "[cleanup.policy=compact,delete retention.ms=123456]", fmt.Errorf("%v", texts)
	}); err != nil {
		return err
	}
	if err := s.saramaSend(topic, saramaConfig(), numbers(0, 30)); err != nil {
		return err
	}
	// The admin's own view of the topic is older than the producer's.
	if err := until("records are deleted", func() (bool, error) {
		err := admin.DeleteRecords(topic, map[int32]int64{0: -1, 1: -1, 2: -1})
		return err == nil, err
	}); err != nil {
		return err
	}
	if _, _, err := admin.DescribeCluster(); err != nil {
		return err
	}
	brokers, _, err := admin.DescribeCluster()
	if err != nil {
		return err
	}
	dirs, err := admin.DescribeLogDirs([]int32{brokers[0].ID()})
	if err != nil {
		return err
	}
	if len(dirs[brokers[0].ID()]) == 0 {
		return fmt.Errorf("no log directory")
	}
	if _, err := admin.ListConsumerGroups(); err != nil {
		return err
	}
	return admin.DeleteTopic(topic)
}
