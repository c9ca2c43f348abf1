package native

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Node is one Cassandra node.
type Node struct {
	DC     string // "": dc1
	HeapMB int    // 0: 640. A node takes about 250 MB more than its heap
}

func (n Node) dc() string { return cmp.Or(n.DC, "dc1") }

// CQLPort is the port of every Cassandra node; the nodes differ by address.
const CQLPort = 9042

// cassandraNode is node n (from 1) of a ring. Nodes after the first ask the first for the ring.
func cassandraNode(dir, jars, subnet string, n, nodes int, node Node) (*process, error) {
	if node.HeapMB == 0 {
		node.HeapMB = 640
	}
	name := fmt.Sprintf("cassandra-%d", n)
	home, addr := filepath.Join(dir, "data", name), fmt.Sprintf("%s.%d", subnet, n)
	conf := filepath.Join(home, "conf")
	if err := os.MkdirAll(conf, 0o755); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	files := map[string]string{
		"cassandra.yaml":                fmt.Sprintf(cassandraYAML, home, addr, subnet+".1"),
		"cassandra-rackdc.properties":   fmt.Sprintf("dc=%s\nrack=r%d\n", node.dc(), n),
		"logback.xml":                   cassandraLogback,
		"cassandra-topology.properties": "",
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(conf, file), []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	argv := []string{
		"java", fmt.Sprintf("-Xms%dM", min(256, node.HeapMB)), fmt.Sprintf("-Xmx%dM", node.HeapMB), "-XX:+UseG1GC", "-Xss256k",
		"-XX:MaxDirectMemorySize=256M", "-XX:+PerfDisableSharedMem", "-Xverify:none",
		"-Djdk.attach.allowAttachSelf=true", "-Djava.awt.headless=true", "-Djna.nosys=true",
		"-Dcassandra.storagedir=" + home, "-Dcassandra.config=file://" + filepath.Join(conf, "cassandra.yaml"),
		"-Dlogback.configurationFile=" + filepath.Join(conf, "logback.xml"),
		// A ring on one machine needs no time to settle.
		"-Dcassandra.ring_delay_ms=2000", "-Dcassandra.skip_wait_for_gossip_to_settle=0", "-Dcassandra.superuser_setup_delay_ms=0",
		"-Dcassandra.consistent.rangemovement=false", "-Dcassandra-foreground=yes",
		// No JMX port: the nodes of all clusters would fight for it, for it listens on 127.0.0.1 whatever the node's address.
	}
	argv = append(argv, javaOpens()...)
	argv = append(argv, "-cp", conf+":"+jars+"/*", "org.apache.cassandra.service.CassandraDaemon")
	return &process{
		name: name, dir: dir, argv: argv, cwd: home,
		ready: cqlProbe(fmt.Sprintf("%s:%d", addr, CQLPort), min(n, nodes)-1), wait: 3 * time.Minute,
	}, nil
}

// ringProbe is nil once every node knows every other.
func ringProbe(addrs []string) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, a := range addrs {
			if err := cqlProbe(a, len(addrs)-1)(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// cassandraYAML takes folder, address, seed. What differs from the defaults: little memory, and writes that are answered once
// they are synced, so that acked means on disk, as on Scylla's and our own embedded store. Those that come while a sync is under
// way share the next one. (`group` makes each of them wait for its window's end too: at 5 ms two thirds of the messages a second.)
const cassandraYAML = `cluster_name: murre
num_tokens: 4
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
authenticator: AllowAllAuthenticator
authorizer: AllowAllAuthorizer
data_file_directories: [%[1]s/data]
commitlog_directory: %[1]s/commitlog
saved_caches_directory: %[1]s/saved
hints_directory: %[1]s/hints
cdc_raw_directory: %[1]s/cdc
commitlog_sync: batch
commitlog_segment_size: 16MiB
memtable_heap_space: 96MiB
memtable_offheap_space: 96MiB
file_cache_size: 32MiB
networking_cache_size: 32MiB
key_cache_size: 16MiB
concurrent_reads: 16
concurrent_writes: 32
concurrent_compactors: 1
compaction_throughput: 32MiB/s
seed_provider: [{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{seeds: %[3]s}]}]
listen_address: %[2]s
rpc_address: %[2]s
native_transport_port: 9042
storage_port: 7000
endpoint_snitch: GossipingPropertyFileSnitch
auto_bootstrap: false
auto_snapshot: false
write_request_timeout: 4s
read_request_timeout: 5s
cas_contention_timeout: 2s
`

const cassandraLogback = `<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
`

// javaOpens is what Cassandra needs opened of Java 17.
func javaOpens() (args []string) {
	exports := "java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/sun.nio.ch java.base/java.lang.ref " +
		"java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql " +
		"jdk.unsupported/sun.misc"
	opens := "java.base/java.lang java.base/java.lang.module java.base/java.io java.base/java.nio java.base/java.util " +
		"java.base/java.util.concurrent java.base/java.util.concurrent.atomic java.base/sun.nio.ch java.base/jdk.internal.loader " +
		"java.base/jdk.internal.ref java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module " +
		"java.base/jdk.internal.util.jar jdk.management/com.sun.management.internal"
	for _, m := range strings.Fields(exports) {
		args = append(args, "--add-exports", m+"=ALL-UNNAMED")
	}
	for _, m := range strings.Fields(opens) {
		args = append(args, "--add-opens", m+"=ALL-UNNAMED")
	}
	return args
}
