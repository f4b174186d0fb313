// A web app for tests: keeps rows in PostgreSQL and gives them back over HTTP.
//
//	POST /rows     the body becomes a row; 201 once it is committed
//	GET  /rows     all rows, one a line, in the order they came
//	GET  /version  VERSION of the environment
//	GET  /healthz  200 if the database answers
//
// `webapp check` asks /healthz, for images without a shell; `webapp sleep` does nothing.
package main

import (
	"database/sql"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/lib/pq"
)

const address = ":8080"

func main() {
	switch command := append(os.Args, "")[1]; command {
	case "check":
		check()
	case "sleep":
		await()
	case "":
		serve()
	default:
		log.Fatalf("unknown command %q", command)
	}
}

func check() {
	answer, err := http.Get("http://127.0.0.1" + address + "/healthz")
	if err != nil {
		log.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		log.Fatal(answer.Status)
	}
}

// The first process of a container gets no signal that it does not ask for.
func await() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
}

func serve() {
	// PGHOST, PGUSER, PGPASSWORD, PGDATABASE where DATABASE_URL says nothing.
	database, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	for {
		_, err = database.Exec("CREATE TABLE IF NOT EXISTS rows (id bigserial PRIMARY KEY, body text NOT NULL)")
		if err == nil {
			break
		}
		log.Print(err)
		time.Sleep(500 * time.Millisecond)
	}
	http.HandleFunc("POST /rows", func(answer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err == nil {
			_, err = database.ExecContext(request.Context(), "INSERT INTO rows (body) VALUES ($1)", string(body))
		}
		reply(answer, err, http.StatusCreated, "")
	})
	http.HandleFunc("GET /rows", func(answer http.ResponseWriter, request *http.Request) {
		rows, err := read(request, database)
		reply(answer, err, http.StatusOK, rows)
	})
	http.HandleFunc("GET /healthz", func(answer http.ResponseWriter, request *http.Request) {
		reply(answer, database.PingContext(request.Context()), http.StatusOK, "ok\n")
	})
	http.HandleFunc("GET /version", func(answer http.ResponseWriter, _ *http.Request) {
		reply(answer, nil, http.StatusOK, os.Getenv("VERSION")+"\n")
	})
	go func() { log.Fatal(http.ListenAndServe(address, nil)) }()
	await()
}

func read(request *http.Request, database *sql.DB) (text string, err error) {
	rows, err := database.QueryContext(request.Context(), "SELECT body FROM rows ORDER BY id")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return "", err
		}
		text += body + "\n"
	}
	return text, rows.Err()
}

func reply(answer http.ResponseWriter, err error, status int, text string) {
	if err != nil {
		log.Print(err)
		status, text = http.StatusServiceUnavailable, err.Error()+"\n"
	}
	answer.WriteHeader(status)
	fmt.Fprint(answer, text)
}
