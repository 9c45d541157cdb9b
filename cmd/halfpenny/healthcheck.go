package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/generic-corp/halfpenny/config"
)

func healthcheck(ctx context.Context, c *cli, args []string) error {
	var file string
	if err := parse(c.flags(&file), args); err != nil {
		return err
	}
	cfg, err := config.Load(config.Flags{File: file})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	url := cfg.Server.OwnURL() + "/ready"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("the gateway does not answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the gateway cannot serve: %s answered %s", url, resp.Status)
	}
	_, err = fmt.Fprintln(c.out, "ok")
	return err
}
