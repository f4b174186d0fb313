// Command gcs serves a folder as Google Cloud Storage: fake-gcs-server, which knows conditions in the JSON API only, with a
// translator in front for those who write and list through the XML API.
//
// A creation of an object becomes the same creation in the other API, with the same condition, and its answer is given back
// with the headers that the XML API has. A list becomes a list. Whether a condition holds, what is kept and what is listed
// is for the server alone; nothing is remembered here, looked up, or tried again. All other requests go through as they are.
//
//	gcs FOLDER ADDRESS
package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// How many names one answer to a list has (https://cloud.google.com/storage/docs/xml-api/get-bucket-list, max-keys).
const page = "1000"

func main() {
	if len(os.Args) != 3 {
		log.Fatal("gcs FOLDER ADDRESS")
	}
	folder, address := os.Args[1], os.Args[2]
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		StorageRoot: folder,
		NoListener:  true,
		PublicHost:  address,
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(address, translator{server.HTTPHandler()}))
}

type translator struct {
	server http.Handler
}

func (t translator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, object, hasObject := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	// The paths of the other API, which makes the bucket.
	case bucket == "storage" || bucket == "upload" || bucket == "download":
		t.server.ServeHTTP(w, r)
	case r.Method == http.MethodPut && hasObject && object != "":
		t.put(w, r, bucket, object)
	case r.Method == http.MethodGet && object == "":
		t.list(w, r, bucket)
	default:
		t.server.ServeHTTP(w, r)
	}
}

// What stands in the answers of the JSON API (https://cloud.google.com/storage/docs/json_api/v1/objects#resource).
type resource struct {
	Name       string `json:"name"`
	Size       string `json:"size"`
	Updated    string `json:"updated"`
	Etag       string `json:"etag"`
	Generation string `json:"generation"`
}

// put is https://cloud.google.com/storage/docs/xml-api/put-object-upload as
// https://cloud.google.com/storage/docs/json_api/v1/objects/insert.
func (t translator) put(w http.ResponseWriter, r *http.Request, bucket, object string) {
	query := url.Values{"uploadType": {"media"}, "name": {object}}
	if condition := r.Header.Get("x-goog-if-generation-match"); condition != "" {
		query.Set("ifGenerationMatch", condition)
	}
	answer := t.ask(r, http.MethodPost, "/upload/storage/v1/b/"+url.PathEscape(bucket)+"/o", query)
	var made resource
	if !succeeded(w, answer, &made) {
		return
	}
	w.Header().Set("ETag", `"`+made.Etag+`"`)
	w.Header().Set("x-goog-generation", made.Generation)
}

type listing struct {
	XMLName  xml.Name   `xml:"ListBucketResult"`
	Contents []contents `xml:"Contents"`
	Next     string     `xml:"NextContinuationToken,omitempty"`
}

type contents struct {
	Key          string
	Generation   string
	LastModified string
	ETag         string
	Size         string
}

// list is https://cloud.google.com/storage/docs/xml-api/get-bucket-list as
// https://cloud.google.com/storage/docs/json_api/v1/objects/list.
func (t translator) list(w http.ResponseWriter, r *http.Request, bucket string) {
	asked := r.URL.Query()
	if asked.Has("delimiter") {
		http.Error(w, "lists of folders are not translated", http.StatusNotImplemented)
		return
	}
	query := url.Values{"maxResults": {page}}
	for theirs, ours := range map[string]string{"prefix": "prefix", "continuation-token": "pageToken", "max-keys": "maxResults"} {
		if asked.Has(theirs) {
			query.Set(ours, asked.Get(theirs))
		}
	}
	// One begins after the name, the other with it: this is the first name after it.
	if after := asked.Get("start-after"); after != "" {
		query.Set("startOffset", after+"\x00")
	}
	answer := t.ask(r, http.MethodGet, "/storage/v1/b/"+url.PathEscape(bucket)+"/o", query)
	var found struct {
		Items         []resource `json:"items"`
		NextPageToken string     `json:"nextPageToken"`
	}
	if !succeeded(w, answer, &found) {
		return
	}
	all := listing{Next: found.NextPageToken}
	for _, item := range found.Items {
		all.Contents = append(all.Contents, contents{item.Name, item.Generation, item.Updated, `"` + item.Etag + `"`, item.Size})
	}
	w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
	_ = xml.NewEncoder(w).Encode(all)
}

// ask puts the request to the server in its other form.
func (t translator) ask(r *http.Request, method, path string, query url.Values) *httptest.ResponseRecorder {
	other := r.Clone(r.Context())
	other.Method = method
	other.URL = &url.URL{Path: path, RawQuery: query.Encode()}
	other.RequestURI = other.URL.RequestURI()
	// As it is, or an answer would come back compressed.
	other.Header.Del("Accept-Encoding")
	answer := httptest.NewRecorder()
	t.server.ServeHTTP(answer, other)
	return answer
}

// succeeded reads an answer; one that is no success goes back as it is.
func succeeded(w http.ResponseWriter, answer *httptest.ResponseRecorder, into any) bool {
	if answer.Code == http.StatusOK {
		if err := json.NewDecoder(bytes.NewReader(answer.Body.Bytes())).Decode(into); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return false
		}
		return true
	}
	w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
	return false
}
