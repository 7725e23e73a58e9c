/* SCEP on HTTP (RFC 8894 section 4.1): routes for the device side. */
#pragma once

#include "http/http.h"

struct scep_service;

/* /scep, /scep/, /scep/pkiclient.exe, /cgi-bin/pkiclient.exe; GET, POST. */
void scep_http_add(struct http_server *s, struct scep_service *svc);
