package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/generic-corp/halfpenny/cache"
	"github.com/generic-corp/halfpenny/cache/rediscache"
	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/proxy"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/router/habits"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/store/ledger"
	"github.com/generic-corp/halfpenny/tenancy"
	"github.com/generic-corp/halfpenny/tenancy/redislimit"
)

// gateway is a running installation: every part, and how they are put together.
type gateway struct {
	config     atomic.Pointer[config.Config]
	log        *slog.Logger
	db         database
	ledger     *ledger.Ledger
	directory  *tenancy.Directory
	admin      *tenancy.Admin
	limiter    tenancy.Limiter
	cache      cache.Store
	cacheKeys  *cache.Keyer
	redis      *redislimit.Limiter // nil: limits are in-process
	simulation *fakellm.Server
	health     *router.Health
	catalogue  atomic.Pointer[pricing.Catalogue]
	pricesAs   time.Time  // when the newest price list in catalogue was saved; zero: none was
	applying   sync.Mutex // held to change configuration or catalogue
	calibrated *pricing.Calibration
	habits     *habits.Book
	signs      *habits.Signs
	registry   *prometheus.Registry
	proxy      *proxy.Gateway
	background sync.WaitGroup
}

func serve(ctx context.Context, c *cli, args []string) error {
	flags := config.Flags{Serve: true}
	f := c.flags(&flags.File)
	f.BoolVar(&flags.Demo, "demo", false, "loopback only, SQLite, a demo tenant whose key is printed")
	if err := parse(f, args); err != nil {
		return err
	}
	cfg, err := config.Load(flags)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(c.out, nil))
	g, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	err = g.run(ctx, c.err)
	return errors.Join(err, g.close())
}

// open builds every part; nothing listens yet.
func open(ctx context.Context, cfg *config.Config, log *slog.Logger) (_ *gateway, err error) {
	g := &gateway{log: log, health: router.NewHealth(), calibrated: new(pricing.Calibration), registry: prometheus.NewRegistry()}
	g.config.Store(cfg)
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	if g.db, err = openReady(ctx, cfg); err != nil {
		return nil, err
	}
	if err := g.db.Recover(ctx); err != nil {
		return nil, fmt.Errorf("cannot finish what a crash left undone: %w", err)
	}
	pepper, err := pepperOf(ctx, cfg, g.db)
	if err != nil {
		return nil, err
	}
	g.admin = newAdmin(cfg, g.db, pepper, g.config.Load, log)
	g.directory = tenancy.NewDirectory(g.db, pepper, log)
	if err := g.openShared(ctx, cfg); err != nil {
		return nil, err
	}
	if g.ledger, err = openLedger(cfg, g.db, log); err != nil {
		return nil, err
	}
	if g.simulation, err = fakellm.Listen(fakellm.Options{Latency: fakellm.Lifelike, Models: catalogueIDs()}); err != nil {
		return nil, err
	}
	return g, g.openProxy(ctx, cfg)
}

// openShared opens what replicas share if there is a Redis, and is in-process without one.
func (g *gateway) openShared(ctx context.Context, cfg *config.Config) error {
	secret, err := g.db.Secret(ctx, "cache", store.NewKey)
	if err != nil {
		return fmt.Errorf("cannot read the cache's secret: %w", err)
	}
	g.cacheKeys = cache.NewKeyer(secret)
	if cfg.Redis.URL == "" {
		g.limiter, g.cache = tenancy.NewLimiter(), cache.NewMemory(cache.MemoryOptions{})
		return nil
	}
	client, err := redislimit.Open(string(cfg.Redis.URL))
	if err != nil {
		return fmt.Errorf("cannot use redis.url: %w", err)
	}
	installation, err := g.db.Secret(ctx, "installation_id", nil)
	if err != nil {
		return fmt.Errorf("cannot read the installation's id: %w", err)
	}
	prefix := "halfpenny:" + string(installation) + ":"
	g.redis = redislimit.New(client, prefix, g.log)
	g.limiter = g.redis
	g.cache = rediscache.New(rediscache.Options{Client: client, Prefix: prefix, Keyer: g.cacheKeys, Local: cache.NewMemory(cache.MemoryOptions{}), Log: g.log})
	return nil
}

func (g *gateway) openProxy(ctx context.Context, cfg *config.Config) error {
	catalogue, as, err := g.readCatalogue(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the prices: %w", err)
	}
	g.catalogue.Store(catalogue)
	g.pricesAs = as
	tables, err := g.tables(cfg)
	if err != nil {
		return err
	}
	g.habits = habits.NewBook(g.db, func() bool { return !g.config.Load().Simulated() }, g.log)
	g.signs = habits.NewSigns(g.db, g.log)
	g.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), g.collector())
	g.proxy = proxy.New(proxy.Options{
		Keys: g.directory, Limiter: g.limiter, Ledger: g.ledger, Estimator: pricing.NewEstimator(), Calibration: g.calibrated, Health: g.health,
		Cache: g.cache, CacheKeys: g.cacheKeys, Habits: g.habits, Signs: g.signs, Upstream: proxy.NewUpstream(), Log: g.log, BaseDomain: cfg.Server.BaseDomain, OnMismatch: g.directory.AuditMismatch,
		Metrics: proxy.NewMetrics(g.registry, func(model string) bool { return g.catalogue.Load().Lookup(model) != nil }),
	}, tables)
	return nil
}

// run serves until ctx ends, and then until what is under way has ended.
func (g *gateway) run(ctx context.Context, terminal io.Writer) error {
	cfg := g.config.Load()
	listener, err := net.Listen("tcp", cfg.Server.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on server.listen: %w", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		stop()
		g.background.Wait()
	}()
	g.background.Go(func() { g.directory.Run(background) })
	if g.redis != nil {
		g.background.Go(func() { g.redis.Run(background) })
	}
	g.background.Go(func() { g.habits.Run(background) })
	g.background.Go(func() { g.signs.Run(background) })
	g.background.Go(func() { g.watchConfig(background) })
	g.background.Go(func() { g.watchPrices(background) })
	g.background.Go(func() { g.calibrated.Run(background, g.db, calibrationInterval, calibrationGrace, g.uncalibrated) })
	server, err := g.server(cfg, listener)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if cfg.Demo() {
		if err := g.demo(ctx, terminal); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	if cfg.Simulated() {
		g.log.Warn("no provider is configured: a simulation answers for all of them", "looked_for", config.LookedFor())
	}
	g.log.Info("serving", "listen", listener.Addr().String(), "version", versionText(), "store", cfg.Store.Driver, "simulated", cfg.Simulated())
	err = server.serve(ctx, cfg.Server.Drain)
	g.log.Info("stopped", "in_flight", g.proxy.InFlight())
	return err
}

// How often what has been learned of token counts is kept, and how long the last time may take.
const (
	calibrationInterval = time.Minute
	calibrationGrace    = 2 * time.Second
)

func (g *gateway) uncalibrated(err error) {
	g.log.Warn("cannot keep or share what has been learned of token counts", "error", err)
}

// watchConfig takes over each change of the configuration file, and each SIGHUP.
func (g *gateway) watchConfig(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	fail := func(err error) { g.log.Error("the configuration in force stays", "error", err) }
	g.background.Go(func() {
		if err := g.config.Load().Watch(ctx, g.apply, fail); err != nil {
			g.log.Error("changes of the configuration file are not seen", "error", err)
		}
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			fresh, err := g.config.Load().Reload()
			if err != nil {
				fail(err)
				continue
			}
			g.apply(fresh)
		}
	}
}

// apply makes fresh the configuration of all requests to come.
func (g *gateway) apply(fresh *config.Config) {
	g.applying.Lock()
	defer g.applying.Unlock()
	if err := g.adopt(fresh); err != nil {
		g.log.Error("the configuration in force stays", "error", err)
		return
	}
	g.log.Info("configuration reloaded", "providers", len(fresh.Providers))
}

// adopt makes a configuration, with the prices in force, that of all requests to come.
func (g *gateway) adopt(cfg *config.Config) error {
	tables, err := g.tables(cfg)
	if err != nil {
		return err
	}
	g.config.Store(cfg)
	g.proxy.Swap(tables)
	return nil
}

// closeTimeout bounds the last flush: what is left then stays in the journal.
const closeTimeout = 20 * time.Second

// close ends every part in the order in which they depend on each other.
func (g *gateway) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var errs []error
	if g.simulation != nil {
		g.simulation.Close()
	}
	if g.ledger != nil {
		errs = append(errs, g.ledger.Close(ctx))
	}
	if g.db != nil {
		errs = append(errs, g.db.Close())
	}
	return errors.Join(errs...)
}
