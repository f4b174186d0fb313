//! The API server: reads what a request asks for, and has it served.

use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde_json::Value;

use super::super::kube_api::{KubeRequest, KubeResponse};
use super::super::log;
use super::super::world::World;
use super::emulator::Emulator;
use super::options::{check_media_type, patch_type, write_options};
use super::route::{self, Route};
use super::status::{ApiError, Status};
use super::verbs::{PatchType, Target, Writes, Written};
use super::{controller, decode, discovery, reads};

/// Serves a request to a cluster.
///
/// # Errors
/// What the API server answers with a `Status` that says so, and failures of the database.
pub fn serve(
    emulator: &Emulator,
    world: &World,
    cluster: &str,
    request: &KubeRequest,
) -> Result<KubeResponse, ApiError> {
    let writes = !matches!(request.method, Method::GET | Method::HEAD);
    // A write does both in the transaction that it needs anyway.
    if !writes && !emulator.keep_appointments(world, cluster, request.now_ms)? {
        return Err(Status::no_such_path().into());
    }
    let segments = route::segments(&request.path)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if let Some(answer) = non_resource(&segments, &request.method) {
        return answer;
    }
    let route = Route::parse(&segments).ok_or_else(Status::no_such_path)?;
    match (&request.method, route.name.is_empty()) {
        (&Method::GET, _) => reads::serve(emulator, world, cluster, &route, request),
        (&Method::POST, true) | (&Method::PUT | &Method::PATCH, false) | (&Method::DELETE, _) => {
            write(emulator, world, cluster, &route, request)
        }
        _ => Err(Status::method_not_allowed().into()),
    }
}

fn non_resource(segments: &[&str], method: &Method) -> Option<Result<KubeResponse, ApiError>> {
    let value = match segments {
        ["healthz" | "readyz" | "livez", ..] => {
            return Some(Ok(KubeResponse::full(StatusCode::OK, "text/plain; charset=utf-8", "ok".into())));
        }
        ["version"] => Some(discovery::version()),
        ["api"] => Some(discovery::core_versions()),
        ["apis"] => Some(discovery::group_list()),
        ["api", version] => discovery::resource_list("", version),
        ["apis", group] => discovery::group(group),
        ["apis", group, version] => discovery::resource_list(group, version),
        ["api" | "apis", ..] => return None,
        _ => None,
    };
    Some(match value {
        Some(_) if *method != Method::GET => Err(Status::method_not_allowed().into()),
        Some(value) => Ok(KubeResponse::json(StatusCode::OK, value.to_string())),
        None => Err(Status::no_such_path().into()),
    })
}

fn write(
    emulator: &Emulator,
    world: &World,
    cluster: &str,
    route: &Route<'_>,
    request: &KubeRequest,
) -> Result<KubeResponse, ApiError> {
    let resource = route.resource;
    let known = match route.subresource {
        "" => true,
        "status" => resource.status && request.method != Method::DELETE,
        "scale" => resource.scale && request.method != Method::DELETE,
        _ => false,
    };
    if !known {
        return Err(Status::no_such_path().into());
    }
    if resource.namespaced && route.namespace.is_empty() && request.method != Method::DELETE {
        return Err(Status::method_not_allowed().into());
    }
    let patch_type = (request.method == Method::PATCH).then(|| patch_type(&request.headers)).transpose()?;
    let yaml = patch_type == Some(PatchType::Apply);
    let body = match (&request.method, request.body.is_empty()) {
        (&Method::DELETE, true) => Value::Null,
        _ => {
            check_media_type(&request.headers)?;
            decode::body(&request.body, yaml)?
        }
    };
    let options = write_options(request, patch_type, &body)?;
    let target = Target {
        resource,
        namespace: if resource.namespaced { route.namespace } else { "" },
        name: route.name,
        subresource: route.subresource,
    };
    let created_by = |created: bool| if created { StatusCode::CREATED } else { StatusCode::OK };
    let outcome = world.write(|tx| {
        let env = emulator.env(tx, cluster);
        if !env.store.exists()? {
            return Err(Status::no_such_path().into());
        }
        controller::run_due(&env, request.now_ms)?;
        let writes = Writes { env, now_ms: request.now_ms, options };
        let written = match (&request.method, patch_type) {
            (&Method::POST, _) => writes.create(&target, body),
            (&Method::PUT, _) => writes.update(&target, body),
            (_, Some(kind)) => writes.patch(&target, kind, &body),
            _ if target.name.is_empty() => reads::delete_collection(&writes, route, &request.query, &body),
            _ => writes.delete(&target, &body, &request.query),
        }?;
        // In the same transaction: the log never misses an effect.
        if let Some(seq) = request.seq {
            log::finish(tx, seq, Some(created_by(written.created).as_u16()), true)?;
        }
        Ok(written)
    });
    let (written, logged) = match outcome {
        Ok(written) => (written, request.seq.is_some()),
        Err(ApiError::DryRun { object, created }) => {
            (Written { object: *object, created, warnings: Vec::new() }, false)
        }
        Err(error) => return Err(error),
    };
    let answer = KubeResponse::json(created_by(written.created), written.object.to_string());
    let mut response = KubeResponse { logged, ..answer };
    for warning in &written.warnings {
        let value = format!("299 - \"{}\"", warning.replace('\\', "\\\\").replace('"', "\\\""));
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers.append(HeaderName::from_static("warning"), value);
        }
    }
    Ok(response)
}
